/** The folder where cerberus-annotate keeps what belongs to this user and computer. */
File cerberusHome() {
    String chosen = System.getenv("CERBERUS_ANNOTATE_HOME")
    return chosen ? new File(chosen) : new File(System.getProperty("user.home"), ".cerberus-annotate")
}
