package qupath.lib.scripting;

import qupath.lib.objects.PathObject;

public class QP {
    public static qupath.lib.projects.Project<java.awt.image.BufferedImage> getProject() { return null; }
    public static qupath.lib.projects.ProjectImageEntry<java.awt.image.BufferedImage> getProjectEntry() { return null; }
    public static qupath.lib.images.ImageData<java.awt.image.BufferedImage> getCurrentImageData() { return null; }
    public static java.util.Collection<PathObject> getSelectedObjects() { return null; }
    public static qupath.lib.objects.classes.PathClass getPathClass(String name) { return null; }
    public static void fireHierarchyUpdate() { }
}
