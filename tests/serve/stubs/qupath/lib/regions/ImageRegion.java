package qupath.lib.regions;

public class ImageRegion {
    public static ImageRegion createInstance(qupath.lib.roi.interfaces.ROI roi) { return null; }
    public int getX() { return 0; }
    public int getY() { return 0; }
    public int getWidth() { return 0; }
    public int getHeight() { return 0; }
}
