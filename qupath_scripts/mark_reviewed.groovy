/*
 * Marks what you have looked at, so that `cerberus-annotate harvest` learns from it. For QuPath 0.6 or later.
 *
 * With annotations selected: they become Reviewed regions. Without: the whole image counts as reviewed. Inside,
 * everything that is not outlined counts as background for the tasks below; take out those that you did not look at.
 */
import static qupath.lib.scripting.QP.*

def tasks = "nuclei,gland,lumen"

def told = [
    "cerberus.reviewed": tasks,
    "cerberus.reviewer": System.getProperty("user.name"),
    "cerberus.reviewed-at": java.time.OffsetDateTime.now().withNano(0).toString()
]

def chosen = getSelectedObjects().findAll { it.isAnnotation() && it.hasROI() && it.getROI().isArea() }
if (chosen) {
    chosen.each {
        it.setPathClass(getPathClass("Reviewed"))
        it.getMetadata().putAll(told)
        it.setLocked(true)
    }
    fireHierarchyUpdate()
    println "Marked ${chosen.size()} annotation(s) as reviewed for ${tasks}. Save the image before you harvest."
    return
}
def entry = getProjectEntry()
if (entry == null) {
    println "Nothing was marked: open the image from a project, or select annotations."
    return
}
entry.getMetadata().putAll(told)
getProject().syncChanges()
println "Marked the whole image as reviewed for ${tasks}. Save it before you harvest."
