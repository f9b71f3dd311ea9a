package qupath.lib.objects.hierarchy.events;

import qupath.lib.objects.PathObject;

public class PathObjectSelectionModel {
    public PathObject getSelectedObject() { return null; }
    public void setSelectedObject(PathObject object) { }
}
