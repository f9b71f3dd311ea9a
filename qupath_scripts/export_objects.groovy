/*
 * Writes the objects of all images of the project as GeoJSON, one file an image, into the folder `export` beside the
 * project file. For QuPath 0.6 or later. The project is only read; the open image is saved first.
 *
 * From a terminal: QuPath script export_objects.groovy -p project.qpproj -i IMAGE
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

// Options of `cerberus-annotate export` that you always want.
List<String> options = []

Path project = openProject().getPath()
if (QP.getProjectEntry() != null)
    saveImage(QP.getProjectEntry(), QP.getCurrentImageData())
List<String> arguments = ["export", project.toString(), "-o", project.resolveSibling("export").toString()]
arguments.addAll(options)
arguments.addAll(scriptArguments())
runCerberus(arguments)

// put in by `cerberus-annotate scripts install PROJECT`:
//+ parts/image.groovy
//+ parts/home.groovy
//+ parts/command.groovy
