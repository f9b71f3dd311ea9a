/**
 * Marks what you have looked at, so that `cerberus-annotate harvest` learns from it.
 *
 * With annotations selected: they become Reviewed regions. Without: the whole image counts as reviewed.
 * Inside, everything that is not outlined will count as background, for these tasks: */
def tasks = "nuclei,gland,lumen"

import static qupath.lib.scripting.QP.*

def reviewer = System.getProperty("user.name")
def now = java.time.OffsetDateTime.now().withNano(0).toString()
def told = ["cerberus.reviewed": tasks, "cerberus.reviewer": reviewer, "cerberus.reviewed-at": now]

def chosen = getSelectedObjects().findAll { it.isAnnotation() && it.hasROI() && it.getROI().isArea() }
if (chosen) {
    chosen.each {
        it.setPathClass(getPathClass("Reviewed"))
        it.getMetadata().putAll(told)
        it.setLocked(true)
    }
    fireHierarchyUpdate()
    println "Marked ${chosen.size()} annotation(s) as reviewed for ${tasks}."
} else {
    def entry = getProjectEntry()
    if (entry == null) {
        println "Open the image from a project, or select annotations."
        return
    }
    entry.getMetadata().putAll(told)
    getProject().syncChanges()
    println "Marked the whole image as reviewed for ${tasks}."
}
println "Save the image (File > Save) before you harvest."
