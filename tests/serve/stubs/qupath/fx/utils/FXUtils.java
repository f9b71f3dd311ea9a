package qupath.fx.utils;

public class FXUtils {
    public static void runOnApplicationThread(Runnable work) { }
    public static <T> T callOnApplicationThread(java.util.concurrent.Callable<T> work) { return null; }
}
