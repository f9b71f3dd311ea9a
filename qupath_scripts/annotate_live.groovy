/*
 * Pre-labels the selected annotations at once, by a running `cerberus-annotate serve PROJECT`. For QuPath 0.6 or later.
 *
 * The image stays open and need not be saved: QuPath itself puts the objects in. What you drew, changed, locked or
 * deleted stays as it is, saved or not. Save the image when you want to keep what came.
 */
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import com.google.gson.JsonParser
import java.awt.image.BufferedImage
import qupath.lib.images.ImageData
import qupath.lib.io.PathIO
import qupath.lib.objects.PathObject
import qupath.lib.objects.hierarchy.PathObjectHierarchy
import qupath.lib.projects.Project
import qupath.lib.projects.ProjectImageEntry
import qupath.lib.regions.ImageRegion
import qupath.lib.scripting.QP

// Of nuclei, gland, lumen, tissue; empty for all that the service has.
List<String> tasks = []

ProjectImageEntry<BufferedImage> entry = openEntry()
PathObjectHierarchy hierarchy = QP.getCurrentImageData().getHierarchy()
List<PathObject> areas = selectedAreas()
if (areas.isEmpty())
    throw new IllegalStateException("Nothing is selected. Select one or more annotations that have an area and run the script again.")
Set<PathObject> around = new LinkedHashSet<>(areas)
for (PathObject area : areas)
    around.addAll(hierarchy.getAllObjectsForRegion(ImageRegion.createInstance(area.getROI())))
ByteArrayOutputStream question = new ByteArrayOutputStream()
PathIO.exportObjectsAsGeoJSON(question, around, PathIO.GeoJsonExportOptions.FEATURE_COLLECTION)

List<String> query = ["image=" + URLEncoder.encode(entry.getID(), "UTF-8")]
for (PathObject area : areas)
    query.add("region=" + area.getID())
for (String task : tasks)
    query.add("task=" + URLEncoder.encode(task, "UTF-8"))
JsonObject answer = askService(openProject().getPath().toFile(), "/objects?" + query.join("&"), question.toByteArray())

byte[] features = answer.get("objects").toString().getBytes("UTF-8")
List<PathObject> fresh = PathIO.readObjectsFromGeoJSON(new ByteArrayInputStream(features))
Set<String> old = new HashSet<>()
for (JsonElement uuid : answer.getAsJsonArray("remove"))
    old.add(uuid.getAsString())
List<PathObject> gone = []
for (PathObject one : hierarchy.getAllObjects(false))
    if (old.contains(one.getID().toString()))
        gone.add(one)
Map<UUID, UUID> parents = [:]
for (Map.Entry<String, JsonElement> pair : answer.get("parents").getAsJsonObject().entrySet())
    parents.put(UUID.fromString(pair.getKey()), UUID.fromString(pair.getValue().getAsString()))
exchangeObjects(hierarchy, gone, fresh, parents)
println "${fresh.size()} objects came in ${answer.get('seconds').getAsString()} s, ${gone.size()} older ones were taken out, " +
    "${answer.get('dropped').getAsString()} were left out where you have decided otherwise."

/** What a service that runs for this project answers; an error with its own sentence where it refuses. */
JsonObject askService(File project, String path, byte[] body) {
    File[] found = new File(cerberusHome(), "live").listFiles()
    for (File file : found == null ? new File[0] : found) {
        if (!file.getName().endsWith(".json"))
            continue
        JsonObject service = JsonParser.parseString(file.getText("UTF-8")).getAsJsonObject()
        if (new File(service.get("project").getAsString()).getCanonicalFile() != project.getCanonicalFile())
            continue
        URL place = new URL("http://127.0.0.1:" + service.get("port").getAsInt() + path)
        HttpURLConnection connection = (HttpURLConnection) place.openConnection(Proxy.NO_PROXY)
        connection.setRequestMethod("POST")
        connection.setRequestProperty("Authorization", "Bearer " + service.get("token").getAsString())
        connection.setRequestProperty("Content-Type", "application/geo+json")
        connection.setDoOutput(true)
        connection.setFixedLengthStreamingMode(body.length)
        connection.setConnectTimeout(3000)
        try {
            connection.getOutputStream().withCloseable { it.write(body) }
        } catch (ConnectException gone) {
            continue // its file is left of a service that was killed
        }
        boolean good = connection.getResponseCode() == 200
        InputStream stream = good ? connection.getInputStream() : connection.getErrorStream()
        JsonObject answer = JsonParser.parseString(stream.getText("UTF-8")).getAsJsonObject()
        if (!good)
            throw new IllegalStateException(answer.get("error").getAsString())
        return answer
    }
    throw new IllegalStateException("No service runs for this project. Start one in a terminal:\n" +
        "cerberus-annotate serve \"${project}\"")
}

// put in by `cerberus-annotate scripts install PROJECT`:
//+ parts/image.groovy
//+ parts/home.groovy
//+ parts/exchange.groovy
