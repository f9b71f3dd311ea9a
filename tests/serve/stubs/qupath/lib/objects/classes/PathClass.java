package qupath.lib.objects.classes;

public class PathClass {
    public Integer getColor() { return null; }
}
