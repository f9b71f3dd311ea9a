package qupath.lib.io;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import qupath.lib.images.ImageData;
import qupath.lib.images.servers.ImageServerBuilder.ServerBuilder;
import qupath.lib.objects.PathObject;

public class PathIO {
    public enum GeoJsonExportOptions { PRETTY_JSON, EXCLUDE_MEASUREMENTS, FEATURE_COLLECTION }
    public static <T> ImageData<T> readImageData(Path file, ServerBuilder<T> builder) throws IOException { return null; }
    public static List<PathObject> readObjects(File file) throws IOException { return null; }
    public static List<PathObject> readObjectsFromGeoJSON(InputStream stream) throws IOException { return null; }
    public static void exportObjectsAsGeoJSON(File file, Collection<? extends PathObject> objects,
        GeoJsonExportOptions... options) throws IOException { }
    public static void exportObjectsAsGeoJSON(OutputStream stream, Collection<? extends PathObject> objects,
        GeoJsonExportOptions... options) throws IOException { }
}
