package qupath.lib.objects;

public abstract class PathObject {
    public java.util.UUID getID() { return null; }
    public String getName() { return null; }
    public PathObject getParent() { return null; }
    public boolean isAnnotation() { return false; }
    public boolean isRootObject() { return false; }
    public boolean isLocked() { return false; }
    public void setLocked(boolean locked) { }
    public boolean hasROI() { return false; }
    public qupath.lib.roi.interfaces.ROI getROI() { return null; }
    public qupath.lib.objects.classes.PathClass getPathClass() { return null; }
    public void setPathClass(qupath.lib.objects.classes.PathClass pathClass) { }
    public java.util.Map<String, String> getMetadata() { return null; }
}
