/** Takes objects out, their children stay, and puts others in, each below the object that has its parent's UUID. */
void exchangeObjects(PathObjectHierarchy hierarchy, Collection<PathObject> gone, Collection<PathObject> fresh, Map<UUID, UUID> parents) {
    if (gone.isEmpty() && fresh.isEmpty())
        return
    hierarchy.removeObjects(gone, true)
    Map<UUID, PathObject> present = [:]
    for (PathObject one : hierarchy.getAllObjects(false))
        present.put(one.getID(), one)
    for (PathObject one : fresh)
        present.put(one.getID(), one)
    for (PathObject one : fresh)
        hierarchy.addObjectBelowParent(present.get(parents.get(one.getID())), one, false)
    hierarchy.fireHierarchyChangedEvent(this)
}
