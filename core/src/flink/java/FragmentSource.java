package io.tidegate.flink;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.metrics.Counter;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ArrayNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A fragment that begins with sources. Its splits are the job's; what a subtask keeps of a checkpoint goes with the split that it is
 * of, and what is of none, in a split of its own that is never read.
 */
final class FragmentSource implements Source<byte[], FragmentSource.Split, Set<String>> {
    private static final long serialVersionUID = 1;
    private static final long IDLE_MILLIS = 5;

    private final String[] args;
    private final int fragment;
    private final boolean endless;
    private final ArrayList<Split> splits;

    FragmentSource(String[] args, int fragment, boolean endless, ArrayList<Split> splits) {
        this.args = args;
        this.fragment = fragment;
        this.endless = endless;
        this.splits = splits;
    }

    /** A split of one of the sources: as JSON what it is and where to begin, and what is kept with it. */
    static final class Split implements SourceSplit, java.io.Serializable {
        private static final long serialVersionUID = 1;
        final String id;
        /** None, if it is what a subtask keeps that is of no split. */
        final String source;
        final String given;
        final String kept;
        final long checkpoint;

        Split(String id, String source, String given, String kept, long checkpoint) {
            this.id = id;
            this.source = source;
            this.given = given;
            this.kept = kept;
            this.checkpoint = checkpoint;
        }

        @Override
        public String splitId() {
            return id;
        }
    }

    @Override
    public Boundedness getBoundedness() {
        return endless ? Boundedness.CONTINUOUS_UNBOUNDED : Boundedness.BOUNDED;
    }

    @Override
    public SplitEnumerator<Split, Set<String>> createEnumerator(SplitEnumeratorContext<Split> context) {
        return new Enumerator(context, new HashSet<>());
    }

    @Override
    public SplitEnumerator<Split, Set<String>> restoreEnumerator(
            SplitEnumeratorContext<Split> context, Set<String> dealt) {
        return new Enumerator(context, dealt);
    }

    @Override
    public SourceReader<byte[], Split> createReader(SourceReaderContext context) {
        return new Reader(context);
    }

    /** Deals the splits in turn; one that has been dealt is never dealt again but by Flink. */
    private final class Enumerator implements SplitEnumerator<Split, Set<String>> {
        private final SplitEnumeratorContext<Split> context;
        private final Set<String> dealt;
        private final Map<Integer, List<Split>> waiting = new HashMap<>();

        Enumerator(SplitEnumeratorContext<Split> context, Set<String> dealt) {
            this.context = context;
            this.dealt = dealt;
        }

        @Override
        public void start() {
            int turn = 0;
            for (Split split : splits) {
                if (dealt.add(split.id)) {
                    waiting.computeIfAbsent(turn % context.currentParallelism(), subtask -> new ArrayList<>()).add(split);
                }
                turn++;
            }
        }

        @Override
        public void addReader(int subtask) {
            List<Split> own = waiting.remove(subtask);
            if (own != null) {
                own.forEach(split -> context.assignSplit(split, subtask));
            }
            context.signalNoMoreSplits(subtask);
        }

        @Override
        public void addSplitsBack(List<Split> back, int subtask) {
            waiting.computeIfAbsent(subtask, none -> new ArrayList<>()).addAll(back);
        }

        @Override
        public void handleSplitRequest(int subtask, String host) {}

        @Override
        public Set<String> snapshotState(long checkpointId) {
            Set<String> given = new HashSet<>(dealt);
            waiting.values().forEach(own -> own.forEach(split -> given.remove(split.id)));
            return given;
        }

        @Override
        public void close() {}
    }

    private final class Reader implements SourceReader<byte[], Split> {
        private final SourceReaderContext context;
        private final List<Split> own = new ArrayList<>();
        private final CompletableFuture<Void> dealt = new CompletableFuture<>();
        private CompletableFuture<Void> available = dealt;
        private final Figures figures;
        private final Counter in;
        private final Counter out;
        private Guest guest;

        Reader(SourceReaderContext context) {
            this.context = context;
            figures = new Figures(context.metricGroup());
            in = context.metricGroup().getIOMetricGroup().getNumRecordsInCounter();
            out = context.metricGroup().getIOMetricGroup().getNumRecordsOutCounter();
        }

        @Override
        public void start() {}

        @Override
        public void addSplits(List<Split> splits) {
            own.addAll(splits);
        }

        @Override
        public void notifyNoMoreSplits() {
            dealt.complete(null);
        }

        @Override
        public CompletableFuture<Void> isAvailable() {
            return available;
        }

        private void open(Guest.Output output) throws Exception {
            guest = new Guest(figures);
            Map<String, List<String>> given = new LinkedHashMap<>();
            List<String> kept = new ArrayList<>();
            Long restored = null;
            for (Split split : own) {
                if (split.source != null) {
                    given.computeIfAbsent(split.source, none -> new ArrayList<>()).add(split.given);
                }
                if (split.checkpoint >= 0) {
                    restored = split.checkpoint;
                    kept.add(split.kept);
                }
            }
            guest.tell(Guest.BEGIN, 0, Beginning.of(args, fragment, context.getIndexOfSubtask(),
                    context.currentParallelism(), guest, restored, kept, given));
            guest.ask(Guest.OPEN, new byte[0]);
            guest.collect(output);
        }

        @Override
        public InputStatus pollNext(ReaderOutput<byte[]> readerOutput) throws Exception {
            Guest.Output output = new Emitter(readerOutput, out);
            if (!dealt.isDone()) {
                return InputStatus.NOTHING_AVAILABLE;
            }
            if (guest == null) {
                open(output);
            }
            guest.ask(Guest.POLL, new byte[0]);
            // All of it, at once: behind this call a barrier may come, and nothing can be emitted in front of that any more.
            guest.collect(output);
            in.inc(figures.read() - in.getCount());
            if (guest.next() == Guest.EXHAUSTED) {
                return InputStatus.END_OF_INPUT;
            }
            if (guest.next() == Guest.FLUSH_SOON) {
                available = CompletableFuture.completedFuture(null);
                return InputStatus.MORE_AVAILABLE;
            }
            available = new CompletableFuture<Void>().completeOnTimeout(null, IDLE_MILLIS, TimeUnit.MILLISECONDS);
            return InputStatus.NOTHING_AVAILABLE;
        }

        @Override
        public List<Split> snapshotState(long checkpointId) {
            if (guest == null) {
                return new ArrayList<>(own);
            }
            try {
                return kept(checkpointId);
            } catch (Exception error) {
                throw new RuntimeException(error.getMessage(), error);
            }
        }

        private List<Split> kept(long checkpointId) throws Exception {
            guest.ask(Guest.BARRIER, checkpointId);
            guest.collect(late);
            return split(guest.kept(), checkpointId);
        }

        /** What comes between two polls. */
        private final Guest.Output late = new Guest.Output() {
            @Override
            public void records(byte[] frame) {
                throw new IllegalStateException("records behind a poll; this is a defect of Tidegate");
            }

            @Override
            public void watermark(long millis) {
                throw new IllegalStateException("a watermark behind a poll; this is a defect of Tidegate");
            }

            @Override
            public void status(boolean idle) {}
        };

        private List<Split> split(String kept, long checkpointId) throws IOException {
            Map<String, Split> positions = new LinkedHashMap<>();
            Map<String, ArrayNode> with = new HashMap<>();
            // Sources of one fragment may have splits of one name.
            Map<String, Map<String, ArrayNode>> named = new HashMap<>();
            ArrayNode rest = Beginning.JSON.createArrayNode();
            JsonNode entries = Beginning.JSON.readTree(kept);
            for (JsonNode entry : entries) {
                String owner = entry.get("owner").asText();
                if (owner.startsWith("source ")) {
                    String source = owner.substring("source ".length());
                    String item = entry.get("item").asText();
                    ObjectNode given = Beginning.JSON.createObjectNode();
                    given.put("id", item).set("from", entry.get("value"));
                    String id = source + "/" + item;
                    positions.put(id, new Split(id, source, given.toString(), null, checkpointId));
                    with.put(id, Beginning.JSON.createArrayNode().add(entry));
                    named.computeIfAbsent(item, none -> new LinkedHashMap<>()).put(source, with.get(id));
                }
            }
            for (JsonNode entry : entries) {
                String owner = entry.get("owner").asText();
                if (!owner.startsWith("source ")) {
                    of(owner, named.getOrDefault(entry.get("item").asText(), Map.of()), rest).add(entry);
                }
            }
            List<Split> splits = new ArrayList<>();
            positions.forEach((id, split) -> splits.add(
                    new Split(id, split.source, split.given, with.get(id).toString(), checkpointId)));
            if (!rest.isEmpty()) {
                splits.add(new Split("kept/" + context.getIndexOfSubtask(), null, null, rest.toString(), checkpointId));
            }
            return splits;
        }

        /** Of the splits that have the name of an entry, each of another source, the one that its owner is of: `watermarks SOURCE`. */
        private ArrayNode of(String owner, Map<String, ArrayNode> sources, ArrayNode rest) {
            ArrayNode found = null;
            for (Map.Entry<String, ArrayNode> source : sources.entrySet()) {
                String own = "watermarks " + source.getKey();
                if (found == null || owner.equals(own) || owner.startsWith(own + " ")) {
                    found = source.getValue();
                }
            }
            return found == null ? rest : found;
        }

        @Override
        public void notifyCheckpointComplete(long checkpointId) throws Exception {
            if (guest != null) {
                guest.ask(Guest.COMMIT, checkpointId);
                guest.collect(late);
            }
        }

        @Override
        public void close() throws Exception {
            if (guest != null) {
                guest.close();
            }
        }
    }

    private static final class Emitter implements Guest.Output {
        private final ReaderOutput<byte[]> output;
        private final Counter out;

        Emitter(ReaderOutput<byte[]> output, Counter out) {
            this.output = output;
            this.out = out;
        }

        @Override
        public void records(byte[] frame) {
            // Flink counts the frame as one.
            out.inc(FramePartitioner.records(frame) - 1);
            output.collect(frame);
        }

        @Override
        public void watermark(long millis) {
            output.emitWatermark(new Watermark(millis));
        }

        @Override
        public void status(boolean idle) {
            if (idle) {
                output.markIdle();
            } else {
                output.markActive();
            }
        }
    }

    @Override
    public SimpleVersionedSerializer<Split> getSplitSerializer() {
        return new SimpleVersionedSerializer<>() {
            @Override
            public int getVersion() {
                return 1;
            }

            @Override
            public byte[] serialize(Split split) throws IOException {
                ObjectNode node = Beginning.JSON.createObjectNode();
                node.put("id", split.id).put("source", split.source).put("given", split.given);
                node.put("kept", split.kept).put("checkpoint", split.checkpoint);
                return Beginning.JSON.writeValueAsBytes(node);
            }

            @Override
            public Split deserialize(int version, byte[] bytes) throws IOException {
                JsonNode node = Beginning.JSON.readTree(bytes);
                return new Split(node.get("id").asText(), node.get("source").textValue(), node.get("given").textValue(),
                        node.get("kept").textValue(), node.get("checkpoint").asLong());
            }
        };
    }

    @Override
    public SimpleVersionedSerializer<Set<String>> getEnumeratorCheckpointSerializer() {
        return new SimpleVersionedSerializer<>() {
            @Override
            public int getVersion() {
                return 1;
            }

            @Override
            public byte[] serialize(Set<String> dealt) throws IOException {
                ByteArrayOutputStream bytes = new ByteArrayOutputStream();
                DataOutputStream out = new DataOutputStream(bytes);
                out.writeInt(dealt.size());
                for (String id : dealt) {
                    out.writeUTF(id);
                }
                return bytes.toByteArray();
            }

            @Override
            public Set<String> deserialize(int version, byte[] bytes) throws IOException {
                DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
                Set<String> dealt = new HashSet<>();
                for (int left = in.readInt(); left > 0; left--) {
                    dealt.add(in.readUTF());
                }
                return dealt;
            }
        };
    }
}
