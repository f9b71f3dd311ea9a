package qupath.lib.objects.hierarchy;

import java.util.Collection;
import qupath.lib.objects.PathObject;

public final class PathObjectHierarchy {
    public Collection<PathObject> getAllObjects(boolean includeRoot) { return null; }
    public Collection<PathObject> getAnnotationObjects() { return null; }
    public Collection<PathObject> getAllObjectsForRegion(qupath.lib.regions.ImageRegion region) { return null; }
    public boolean addObjects(Collection<? extends PathObject> objects) { return false; }
    public boolean addObjectBelowParent(PathObject parent, PathObject object, boolean fireUpdate) { return false; }
    public void removeObjects(Collection<? extends PathObject> objects, boolean keepChildren) { }
    public void setHierarchy(PathObjectHierarchy hierarchy) { }
    public void fireHierarchyChangedEvent(Object source) { }
    public qupath.lib.objects.hierarchy.events.PathObjectSelectionModel getSelectionModel() { return null; }
}
