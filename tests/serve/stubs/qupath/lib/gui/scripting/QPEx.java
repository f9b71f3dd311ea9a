package qupath.lib.gui.scripting;

public class QPEx extends qupath.lib.scripting.QP {
    public static qupath.lib.gui.QuPathGUI getQuPath() { return null; }
    public static qupath.lib.gui.viewer.QuPathViewer getCurrentViewer() { return null; }
    public static java.io.File promptForFile(String... extensions) { return null; }
}
