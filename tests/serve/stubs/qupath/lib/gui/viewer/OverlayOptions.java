package qupath.lib.gui.viewer;

public class OverlayOptions { }
