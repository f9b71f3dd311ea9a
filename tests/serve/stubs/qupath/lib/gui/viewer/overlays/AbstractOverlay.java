package qupath.lib.gui.viewer.overlays;

public abstract class AbstractOverlay implements PathOverlay {
    protected AbstractOverlay(qupath.lib.gui.viewer.OverlayOptions options) { }
}
