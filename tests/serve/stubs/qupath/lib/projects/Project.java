package qupath.lib.projects;

import java.io.IOException;

public interface Project<T> {
    java.nio.file.Path getPath();
    java.util.List<ProjectImageEntry<T>> getImageList();
    ProjectImageEntry<T> getEntry(qupath.lib.images.ImageData<T> imageData);
    void syncChanges() throws IOException;
}
