package qupath.lib.gui.viewer;

import java.util.List;
import qupath.lib.gui.viewer.overlays.PathOverlay;

public class QuPathViewer {
    public qupath.lib.images.ImageData<java.awt.image.BufferedImage> getImageData() { return null; }
    public OverlayOptions getOverlayOptions() { return null; }
    public List<PathOverlay> getCustomOverlayLayers() { return null; }
    public javafx.scene.layout.Pane getView() { return null; }
    public void setDownsampleFactor(double downsample) { }
    public void setCenterPixelLocation(double x, double y) { }
    public void repaint() { }
}
