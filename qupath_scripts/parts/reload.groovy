/** What each object of the open image is like now: UUID → outline, class, lock and name. */
Map<UUID, List<Object>> stateOfObjects(ImageData<BufferedImage> imageData) {
    Map<UUID, List<Object>> state = [:]
    for (PathObject one : imageData.getHierarchy().getAllObjects(false))
        state.put(one.getID(), stateOf(one))
    return state
}

List<Object> stateOf(PathObject one) {
    return Arrays.asList((Object) one.getROI(), one.getPathClass(), one.isLocked(), one.getName())
}

/**
 * Shows in the open image what the command wrote. Where you changed the image meanwhile, your changes stay and what is
 * new is put beside them.
 */
void reloadImage(ProjectImageEntry<BufferedImage> entry, ImageData<BufferedImage> imageData, Map<UUID, List<Object>> before) {
    // an entry's own readImageData() gives an empty image where the file cannot be read; this says why
    Path file = entry.getEntryPath().resolve("data.qpdata")
    ImageData<BufferedImage> written = PathIO.readImageData(file, entry.getServerBuilder())
    boolean changed = imageData.isChanged()
    // the number of the last run, by which the next one knows that QuPath did not save over it
    if (written.getProperty("cerberus.commit") != null)
        imageData.setProperty("cerberus.commit", written.getProperty("cerberus.commit"))
    if (!changed) {
        imageData.getHierarchy().setHierarchy(written.getHierarchy())
        imageData.setChanged(false)
        return
    }
    List<PathObject> fresh = []
    Set<UUID> stillThere = new HashSet<>()
    for (PathObject one : written.getHierarchy().getAllObjects(false)) {
        stillThere.add(one.getID())
        if (!before.containsKey(one.getID()))
            fresh.add(one)
    }
    List<PathObject> gone = []
    for (PathObject one : imageData.getHierarchy().getAllObjects(false))
        if (!stillThere.contains(one.getID()) && stateOf(one) == before.get(one.getID()))
            gone.add(one)
    exchangeObjects(imageData.getHierarchy(), gone, fresh, parentsOf(fresh))
    imageData.setChanged(true)
    println "You changed the image while the command ran: ${fresh.size()} objects were put beside your changes, " +
        "${gone.size()} older ones were taken out. Save the image."
}

/** UUID of each object that has a parent → the parent's. */
Map<UUID, UUID> parentsOf(Collection<PathObject> objects) {
    Map<UUID, UUID> parents = [:]
    for (PathObject one : objects)
        if (one.getParent() != null && !one.getParent().isRootObject())
            parents.put(one.getID(), one.getParent().getID())
    return parents
}
