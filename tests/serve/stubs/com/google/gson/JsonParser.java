package com.google.gson;

public final class JsonParser {
    public static JsonElement parseString(String text) { return null; }
}
