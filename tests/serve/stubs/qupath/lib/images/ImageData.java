package qupath.lib.images;

public class ImageData<T> {
    public qupath.lib.objects.hierarchy.PathObjectHierarchy getHierarchy() { return null; }
    public boolean isChanged() { return false; }
    public void setChanged(boolean changed) { }
}
