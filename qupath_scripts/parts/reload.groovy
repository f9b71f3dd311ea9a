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
    PathObjectHierarchy written = entry.readHierarchy()
    if (!imageData.isChanged()) {
        imageData.getHierarchy().setHierarchy(written)
        imageData.setChanged(false)
        return
    }
    List<PathObject> fresh = []
    Set<UUID> stillThere = new HashSet<>()
    for (PathObject one : written.getAllObjects(false)) {
        stillThere.add(one.getID())
        if (!before.containsKey(one.getID()))
            fresh.add(one)
    }
    List<PathObject> gone = []
    for (PathObject one : imageData.getHierarchy().getAllObjects(false))
        if (!stillThere.contains(one.getID()) && stateOf(one) == before.get(one.getID()))
            gone.add(one)
    exchangeObjects(imageData.getHierarchy(), gone, fresh)
    println "You changed the image while the command ran: ${fresh.size()} objects were put beside your changes, " +
        "${gone.size()} older ones were taken out. Save the image."
}

/** Takes objects out, their children stay, and puts others in, each below the object that has its parent's UUID. */
void exchangeObjects(PathObjectHierarchy hierarchy, Collection<PathObject> gone, Collection<PathObject> fresh) {
    if (gone.isEmpty() && fresh.isEmpty())
        return
    hierarchy.removeObjects(gone, true)
    Map<UUID, PathObject> present = [:]
    for (PathObject one : hierarchy.getAllObjects(false))
        present.put(one.getID(), one)
    Set<PathObject> added = new HashSet<>(fresh)
    for (PathObject one : fresh) {
        PathObject parent = one.getParent()
        if (parent != null && added.contains(parent))
            continue // it comes with its parent
        PathObject below = parent == null ? null : present.get(parent.getID())
        hierarchy.addObjectBelowParent(below, one, false)
    }
    hierarchy.fireHierarchyChangedEvent(this)
}
