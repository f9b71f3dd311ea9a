package qupath.lib.images.servers;

public interface ImageServerBuilder<T> {
    interface ServerBuilder<T> { }
}
