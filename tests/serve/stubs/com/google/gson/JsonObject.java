package com.google.gson;

public final class JsonObject extends JsonElement {
    public JsonElement get(String key) { return null; }
    public JsonArray getAsJsonArray(String key) { return null; }
    public java.util.Set<java.util.Map.Entry<String, JsonElement>> entrySet() { return null; }
    public boolean has(String key) { return false; }
}
