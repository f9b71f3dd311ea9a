/*
 * Collects what was corrected in the whole project as training data, in the folder `harvest` beside the project file.
 * For QuPath 0.6 or later. The project is only read; the open image is saved first. What counts as reviewed: see
 * mark_reviewed.groovy.
 *
 * From a terminal: QuPath script harvest.groovy -p project.qpproj -i IMAGE --args --tasks --args nuclei
 */
import com.google.gson.JsonElement
import com.google.gson.JsonParser
import java.awt.image.BufferedImage
import java.nio.file.Path
import qupath.lib.images.ImageData
import qupath.lib.objects.PathObject
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.scripting.QP

// Options of `cerberus-annotate harvest` that you always want, such as ["--patient-pattern", "^(P[0-9]+)"].
List<String> options = []

Path project = openProject().getPath()
if (QP.getProjectEntry() != null)
    saveImage(QP.getProjectEntry(), QP.getCurrentImageData())
List<String> arguments = ["harvest", project.toString(), "-o", project.resolveSibling("harvest").toString()]
arguments.addAll(options)
arguments.addAll(scriptArguments())
runCerberus(arguments)

// put in by `cerberus-annotate scripts install PROJECT`:
//+ parts/image.groovy
//+ parts/home.groovy
//+ parts/command.groovy
