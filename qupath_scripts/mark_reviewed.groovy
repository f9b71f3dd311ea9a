/*
 * Marks what you have looked at, so that `cerberus-annotate harvest` learns from it. For QuPath 0.6 or later.
 *
 * With annotations selected: they become Reviewed regions. Without: the whole image counts as reviewed. Inside,
 * everything that is not outlined counts as background for the tasks below; take out those that you did not look at.
 *
 * From a terminal: QuPath script mark_reviewed.groovy -p project.qpproj -i IMAGE
 */
import java.awt.image.BufferedImage
import java.time.OffsetDateTime
import qupath.lib.objects.PathObject
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.scripting.QP

String tasks = "nuclei,gland,lumen"

Map<String, String> told = [
    "cerberus.reviewed": tasks,
    "cerberus.reviewer": System.getProperty("user.name"),
    "cerberus.reviewed-at": OffsetDateTime.now().withNano(0).toString()
]

List<PathObject> chosen = []
for (PathObject one : QP.getSelectedObjects())
    if (one.isAnnotation() && one.hasROI() && one.getROI().isArea())
        chosen.add(one)
if (!chosen.isEmpty()) {
    for (PathObject one : chosen) {
        one.setPathClass(QP.getPathClass("Reviewed"))
        one.getMetadata().putAll(told)
        one.setLocked(true)
    }
    QP.fireHierarchyUpdate()
    println "Marked ${chosen.size()} annotation(s) as reviewed for ${tasks}. Save the image before you harvest."
    return
}
ProjectImageEntry<BufferedImage> entry = QP.getProjectEntry()
if (entry == null) {
    println "Nothing was marked: open the image from a project, or select annotations."
    return
}
entry.getMetadata().putAll(told)
QP.getProject().syncChanges()
println "Marked the whole image as reviewed for ${tasks}. Save it before you harvest."
