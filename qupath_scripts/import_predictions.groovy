/*
 * Puts objects of a GeoJSON file into the open image, such as predictions that were made on another computer
 * (`cerberus-annotate annotate --geojson-dir`, `cerberus-annotate export`). For QuPath 0.6 or later.
 *
 * Objects that the image already has are left as they are, so importing a file twice adds nothing.
 *
 * From a terminal: QuPath script import_predictions.groovy -p project.qpproj -i IMAGE -s --args FILE.geojson
 */
import java.awt.image.BufferedImage
import qupath.lib.gui.scripting.QPEx
import qupath.lib.images.ImageData
import qupath.lib.io.PathIO
import qupath.lib.objects.PathObject
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.scripting.QP

ImageData<BufferedImage> imageData = QP.getCurrentImageData()
if (imageData == null)
    throw new IllegalStateException("No image is open. Open the one that the objects belong to and run the script again.")
List<String> given = scriptArguments()
File file = given.isEmpty() ? QPEx.promptForFile("geojson", "json", "gz") : new File(given.get(0))
if (file == null) {
    println "No file was chosen."
    return
}
Set<UUID> known = new HashSet<>()
for (PathObject one : imageData.getHierarchy().getAllObjects(false))
    known.add(one.getID())
List<PathObject> fresh = []
int there = 0
for (PathObject one : PathIO.readObjects(file))
    if (known.contains(one.getID()))
        there++
    else
        fresh.add(one)
imageData.getHierarchy().addObjects(fresh)
println "${fresh.size()} objects of ${file.getName()} were added, ${there} were there already. Save the image to keep them."

// put in by `cerberus-annotate scripts install PROJECT`:
//+ parts/image.groovy
