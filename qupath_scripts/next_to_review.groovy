/*
 * Goes to the next region of the review queue (`cerberus-annotate review`): selects it and centres the view on it.
 * For QuPath 0.6 or later.
 *
 * First come the regions of the open image, the most useful first, then those of the other images; QuPath asks before
 * it closes an image that is not saved. With `To review` selected the one after it is taken, so running the script again
 * passes over a region.
 */
import java.awt.image.BufferedImage
import java.nio.file.Files
import java.nio.file.Path
import qupath.fx.utils.FXUtils
import qupath.lib.gui.QuPathGUI
import qupath.lib.gui.scripting.QPEx
import qupath.lib.gui.viewer.QuPathViewer
import qupath.lib.images.ImageData
import qupath.lib.objects.PathObject
import qupath.lib.objects.hierarchy.PathObjectHierarchy
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.roi.interfaces.ROI
import qupath.lib.scripting.QP

QuPathViewer viewer = QPEx.getCurrentViewer()
if (viewer == null)
    throw new IllegalStateException("This script moves QuPath's view, so it needs QuPath's window.")
Project<BufferedImage> project = openProject()
ImageData<BufferedImage> imageData = viewer.getImageData()
if (imageData != null) {
    List<PathObject> waiting = queueOf(imageData.getHierarchy())
    int at = waiting.indexOf(imageData.getHierarchy().getSelectionModel().getSelectedObject()) + 1
    if (at < waiting.size()) {
        show(viewer, waiting.get(at))
        return
    }
}
ProjectImageEntry<BufferedImage> open = imageData == null ? null : project.getEntry(imageData)
List<ProjectImageEntry<BufferedImage>> others = new ArrayList<>(project.getImageList())
int here = others.indexOf(open)
Collections.rotate(others, -(here + 1)) // the images after this one first
for (ProjectImageEntry<BufferedImage> entry : others) {
    if (entry == open || !mayHaveQueue(entry) || queueOf(entry.readHierarchy()).isEmpty())
        continue
    boolean opened = FXUtils.callOnApplicationThread { QuPathGUI.getInstance().openImageEntry(entry) }
    if (!opened) {
        println "${entry.getImageName()} was not opened."
        return
    }
    show(viewer, queueOf(viewer.getImageData().getHierarchy()).get(0))
    return
}
println "No other region is left to review. `cerberus-annotate review` proposes new ones."

/** The regions that wait, by rank. */
List<PathObject> queueOf(PathObjectHierarchy hierarchy) {
    List<PathObject> waiting = []
    for (PathObject one : hierarchy.getAnnotationObjects())
        if (one.hasROI() && one.getPathClass() == QP.getPathClass("To review"))
            waiting.add(one)
    waiting.sort { PathObject one -> rankOf(one) }
    return waiting
}

/** The rank that `review` wrote, last of all where somebody drew the region. */
int rankOf(PathObject one) {
    String[] words = (one.getMetadata().get("cerberus.review") ?: "").split(" ")
    return words[0].isInteger() ? words[0].toInteger() : Integer.MAX_VALUE
}

/** Whether QuPath's own summary of an image leaves it possible: that is read in no time, the image's data are not. */
boolean mayHaveQueue(ProjectImageEntry<BufferedImage> entry) {
    if (!entry.hasImageData())
        return false
    Path summary = entry.getEntryPath().resolve("summary.json")
    return !Files.isRegularFile(summary) || summary.toFile().getText("UTF-8").contains("\"To review\"")
}

/** Selects a region and makes it fill two thirds of the view. */
void show(QuPathViewer viewer, PathObject region) {
    ROI roi = region.getROI()
    double across = roi.getBoundsWidth() / Math.max(viewer.getView().getWidth(), 1)
    double down = roi.getBoundsHeight() / Math.max(viewer.getView().getHeight(), 1)
    FXUtils.runOnApplicationThread {
        viewer.getImageData().getHierarchy().getSelectionModel().setSelectedObject(region)
        viewer.setDownsampleFactor(1.5d * Math.max(across, down))
        viewer.setCenterPixelLocation(roi.getCentroidX(), roi.getCentroidY())
    }
    println "${region.getName() ?: 'To review'}: ${region.getMetadata().get('cerberus.review-reason') ?: ''}"
}

// put in by `cerberus-annotate scripts install PROJECT`:
//+ parts/image.groovy
