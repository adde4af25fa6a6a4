package io.tidegate.flink;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/** What a process is told first. */
final class Beginning {
    static final ObjectMapper JSON = new ObjectMapper();

    private Beginning() {}

    static byte[] of(String[] args, int fragment, int subtask, int parallelism, Guest guest, Long restored,
            Iterable<String> kept, Map<String, List<String>> splits) throws Exception {
        ObjectNode beginning = JSON.createObjectNode();
        ArrayNode words = beginning.putArray("args");
        for (String arg : args) {
            words.add(arg);
        }
        beginning.put("fragment", fragment).put("subtask", subtask).put("parallelism", parallelism);
        beginning.put("directory", guest.directory.toString());
        beginning.put("restored", restored);
        ArrayNode all = beginning.putArray("kept");
        for (String one : kept) {
            all.add(JSON.readTree(one));
        }
        ObjectNode given = beginning.putObject("splits");
        for (Map.Entry<String, List<String>> source : splits.entrySet()) {
            ArrayNode own = given.putArray(source.getKey());
            for (String split : source.getValue()) {
                own.add(JSON.readTree(split));
            }
        }
        return JSON.writeValueAsString(beginning).getBytes(StandardCharsets.UTF_8);
    }
}
