package javafx.scene.layout;

public class Pane {
    public final double getWidth() { return 0; }
    public final double getHeight() { return 0; }
}
