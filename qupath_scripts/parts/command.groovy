/** How cerberus-annotate is called: as `scripts install` noted it on this computer, else by its name. */
List<String> cerberusCommand() {
    File noted = new File(cerberusHome(), "command.json")
    if (noted.isFile()) {
        List<String> words = []
        for (JsonElement word : JsonParser.parseString(noted.getText("UTF-8")).getAsJsonObject().getAsJsonArray("command"))
            words.add(word.getAsString())
        if (!words.isEmpty() && new File(words.get(0)).isFile())
            return words
    }
    return ["cerberus-annotate"]
}

/**
 * Runs cerberus-annotate, shows each line that it says, and ends with its own sentences when it fails.
 * Stopping the script stops the command; it leaves each image as it was or complete.
 */
void runCerberus(List<String> arguments) {
    List<String> command = new ArrayList<>(cerberusCommand())
    command.addAll(arguments)
    ProcessBuilder builder = new ProcessBuilder(command)
    builder.redirectErrorStream(true)
    builder.environment().put("PYTHONUTF8", "1")
    builder.environment().put("PYTHONUNBUFFERED", "1")
    Process process
    try {
        process = builder.start()
    } catch (IOException problem) {
        throw new IllegalStateException("cerberus-annotate was not found on this computer (${problem.getMessage()}). " +
            "Run `cerberus-annotate scripts install PROJECT` once in a terminal here, then this script again.")
    }
    process.getOutputStream().close()
    List<String> said = Collections.synchronizedList(new ArrayList<String>())
    Script script = this
    Thread reader = Thread.start {
        process.getInputStream().eachLine("UTF-8") { String line ->
            said.add(line)
            script.println(line)
        }
    }
    try {
        int code = process.waitFor()
        reader.join()
        if (code != 0) {
            List<String> last = said.subList(Math.max(0, said.size() - 30), said.size())
            throw new IllegalStateException("cerberus-annotate ended with code ${code}:\n" + last.join("\n"))
        }
    } catch (InterruptedException stopped) {
        println "Stopped."
        throw stopped
    } finally {
        process.destroy()
    }
}
