package com.google.gson;

public abstract class JsonElement {
    public JsonObject getAsJsonObject() { return null; }
    public JsonArray getAsJsonArray() { return null; }
    public String getAsString() { return null; }
    public int getAsInt() { return 0; }
}
