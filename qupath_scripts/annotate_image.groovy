/*
 * Pre-labels the open image with cerberus-annotate: nuclei, glands, lumina. For QuPath 0.6 or later.
 *
 * With annotations selected: only inside them. Without: inside the annotations of class Region* if there are any, else
 * the tissue. What you drew, changed, locked or deleted stays as it is. The image is saved first and shows the new
 * objects afterwards; you may go on working in it meanwhile.
 *
 * From a terminal: QuPath script annotate_image.groovy -p project.qpproj -i IMAGE --args --tasks --args nuclei
 */
import com.google.gson.JsonElement
import com.google.gson.JsonParser
import java.awt.image.BufferedImage
import java.nio.file.Path
import qupath.lib.images.ImageData
import qupath.lib.io.PathIO
import qupath.lib.objects.PathObject
import qupath.lib.objects.hierarchy.PathObjectHierarchy
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.scripting.QP

// Options of `cerberus-annotate annotate` that you always want, such as ["--tasks", "nuclei", "--model", "lab-v2"].
List<String> options = []

Project<BufferedImage> project = openProject()
ProjectImageEntry<BufferedImage> entry = openEntry()
ImageData<BufferedImage> imageData = QP.getCurrentImageData()
int sameName = 0
for (ProjectImageEntry<BufferedImage> other : project.getImageList())
    if (other.getImageName() == entry.getImageName())
        sameName++
if (sameName > 1)
    throw new IllegalStateException("The project has ${sameName} images called '${entry.getImageName()}'. Give this one " +
        "its own name (right click on it in the project's list), so that only it is pre-labelled.")

List<String> arguments = ["annotate", project.getPath().toString(), "--images", entry.getImageName()]
arguments.addAll(options)
arguments.addAll(scriptArguments())
List<PathObject> areas = selectedAreas()
saveImage(entry, imageData)
Map<UUID, List<Object>> before = stateOfObjects(imageData)
File regions = File.createTempFile("regions", ".geojson")
try {
    if (!areas.isEmpty()) {
        PathIO.exportObjectsAsGeoJSON(regions, areas, PathIO.GeoJsonExportOptions.FEATURE_COLLECTION)
        arguments.addAll(["--regions", regions.getPath()])
    }
    println "Pre-labelling ${entry.getImageName()}${areas.isEmpty() ? '' : ', ' + areas.size() + ' selected area(s)'} …"
    runCerberus(arguments)
} finally {
    regions.delete()
}
reloadImage(entry, imageData, before)

// put in by `cerberus-annotate scripts install PROJECT`:
//+ parts/image.groovy
//+ parts/home.groovy
//+ parts/command.groovy
//+ parts/reload.groovy
//+ parts/exchange.groovy
