package qupath.lib.gui.viewer.overlays;

public interface PathOverlay {
    void paintOverlay(java.awt.Graphics2D g2d, qupath.lib.regions.ImageRegion region, double downsample,
        qupath.lib.images.ImageData<java.awt.image.BufferedImage> imageData, boolean all);
}
