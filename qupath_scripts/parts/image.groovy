/** The project that is open, an error with what to do where none is. */
Project<BufferedImage> openProject() {
    Project<BufferedImage> project = QP.getProject()
    if (project == null)
        throw new IllegalStateException("No project is open. Open the image from a QuPath project and run the script again.")
    return project
}

/** The project's entry of the open image, an error with what to do where there is none. */
ProjectImageEntry<BufferedImage> openEntry() {
    openProject()
    ProjectImageEntry<BufferedImage> entry = QP.getProjectEntry()
    if (entry == null)
        throw new IllegalStateException("No image of the project is open. Open one and run the script again.")
    return entry
}

/** What was given to the script on QuPath's command line with --args; empty in the script editor. */
List<String> scriptArguments() {
    if (!binding.hasVariable("args") || binding.getVariable("args") == null)
        return []
    return Arrays.asList((String[]) binding.getVariable("args"))
}

/** The selected annotations that have an area. */
List<PathObject> selectedAreas() {
    List<PathObject> areas = []
    for (PathObject chosen : QP.getSelectedObjects())
        if (chosen.isAnnotation() && chosen.hasROI() && chosen.getROI().isArea())
            areas.add(chosen)
    return areas
}

/** Puts the open image's data on disk where they are not yet: the command reads the file, not QuPath's memory. */
void saveImage(ProjectImageEntry<BufferedImage> entry, ImageData<BufferedImage> imageData) {
    if (!imageData.isChanged() && entry.hasImageData())
        return
    entry.saveImageData(imageData)
    println "Saved ${entry.getImageName()} first."
}
