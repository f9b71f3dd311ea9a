package qupath.lib.roi.interfaces;

public interface ROI {
    boolean isArea();
    double getBoundsWidth();
    double getBoundsHeight();
    double getCentroidX();
    double getCentroidY();
    java.awt.Shape getShape();
}
