package qupath.lib.images;

public class ImageData<T> {
    public qupath.lib.objects.hierarchy.PathObjectHierarchy getHierarchy() { return null; }
    public boolean isChanged() { return false; }
    public Object getProperty(String key) { return null; }
    public Object setProperty(String key, Object value) { return null; }
    public void setChanged(boolean changed) { }
}
