package qupath.lib.projects;

import java.io.IOException;

public interface ProjectImageEntry<T> {
    String getID();
    String getImageName();
    java.nio.file.Path getEntryPath();
    qupath.lib.images.servers.ImageServerBuilder.ServerBuilder<T> getServerBuilder();
    java.util.Map<String, String> getMetadata();
    boolean hasImageData();
    void saveImageData(qupath.lib.images.ImageData<T> imageData) throws IOException;
    qupath.lib.objects.hierarchy.PathObjectHierarchy readHierarchy() throws IOException;
}
