/*
 * Shows over the open image what was predicted and what was made of it; run it again to take that away. For QuPath 0.6
 * or later.
 *
 * Dashed is what was predicted, a full line what stands there now: red deleted, green added, blue reshaped, orange
 * another class, violet split or merged. What was accepted is only counted. Nothing is put into the image: it is drawn
 * over it. Changes count once they are saved.
 */
import com.google.gson.JsonElement
import com.google.gson.JsonParser
import java.awt.BasicStroke
import java.awt.Color
import java.awt.Graphics2D
import java.awt.Shape
import java.awt.image.BufferedImage
import qupath.fx.utils.FXUtils
import qupath.lib.gui.scripting.QPEx
import qupath.lib.gui.viewer.OverlayOptions
import qupath.lib.gui.viewer.QuPathViewer
import qupath.lib.gui.viewer.overlays.AbstractOverlay
import qupath.lib.gui.viewer.overlays.PathOverlay
import qupath.lib.images.ImageData
import qupath.lib.io.PathIO
import qupath.lib.objects.PathObject
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.regions.ImageRegion
import qupath.lib.scripting.QP

QuPathViewer viewer = QPEx.getCurrentViewer()
if (viewer == null)
    throw new IllegalStateException("This script draws over QuPath's view, so it needs QuPath's window.")
Project<BufferedImage> project = openProject()
ProjectImageEntry<BufferedImage> entry = openEntry()
ImageData<BufferedImage> imageData = QP.getCurrentImageData()

List<PathOverlay> earlier = []
boolean shown = false
for (PathOverlay layer : viewer.getCustomOverlayLayers())
    if (layer.getClass().getSimpleName() == "DifferenceOverlay") {
        earlier.add(layer)
        shown = shown || layer.toString() == entry.getID()
    }
if (!earlier.isEmpty())
    FXUtils.runOnApplicationThread {
        viewer.getCustomOverlayLayers().removeAll(earlier)
        viewer.repaint()
    }
if (shown) {
    println "The differences are no longer shown."
    return
}
if (imageData.isChanged())
    println "The image has changes that are not saved; they do not count yet."
File file = File.createTempFile("differences", ".geojson")
try {
    runCerberus(["scripts", "differences", project.getPath().toString(), "--image", entry.getID(), "-o", file.getPath()])
    List<PathObject> outlines = PathIO.readObjects(file)
    FXUtils.runOnApplicationThread {
        viewer.getCustomOverlayLayers().add(new DifferenceOverlay(viewer.getOverlayOptions(), imageData, entry.getID(), outlines))
        viewer.repaint()
    }
} finally {
    file.delete()
}

/** Outlines over one image: colour by class, dashed where the name is `predicted`. */
class DifferenceOverlay extends AbstractOverlay {
    private final ImageData<BufferedImage> ofImage
    private final String entryId
    private final List<Shape> predicted = []
    private final List<Color> predictedColours = []
    private final List<Shape> corrected = []
    private final List<Color> correctedColours = []

    DifferenceOverlay(OverlayOptions options, ImageData<BufferedImage> ofImage, String entryId, List<PathObject> outlines) {
        super(options)
        this.ofImage = ofImage
        this.entryId = entryId
        for (PathObject one : outlines) {
            boolean before = one.getName() == "predicted"
            (before ? predicted : corrected).add(one.getROI().getShape())
            (before ? predictedColours : correctedColours).add(new Color(one.getPathClass().getColor()))
        }
    }

    @Override
    void paintOverlay(Graphics2D g2d, ImageRegion region, double downsample, ImageData<BufferedImage> imageData, boolean all) {
        if (imageData != ofImage)
            return
        float width = (float) (2 * downsample)
        float[] dashes = [3 * width, 2 * width] as float[]
        Graphics2D pen = (Graphics2D) g2d.create()
        pen.setStroke(new BasicStroke(width))
        paint(pen, region, corrected, correctedColours)
        pen.setStroke(new BasicStroke(width, BasicStroke.CAP_BUTT, BasicStroke.JOIN_ROUND, 10f, dashes, 0f))
        paint(pen, region, predicted, predictedColours)
        pen.dispose()
    }

    private static void paint(Graphics2D pen, ImageRegion region, List<Shape> shapes, List<Color> colours) {
        for (int at = 0; at < shapes.size(); at++)
            if (shapes.get(at).intersects(region.getX(), region.getY(), region.getWidth(), region.getHeight())) {
                pen.setColor(colours.get(at))
                pen.draw(shapes.get(at))
            }
    }

    @Override
    String toString() {
        return entryId
    }
}

// put in by `cerberus-annotate scripts install PROJECT`:
//+ parts/image.groovy
//+ parts/home.groovy
//+ parts/command.groovy
