package io.tidegate.flink;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.RunnableFuture;
import java.util.Set;
import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.core.fs.CloseableRegistry;
import org.apache.flink.core.fs.Path;
import org.apache.flink.core.fs.local.LocalFileSystem;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.runtime.checkpoint.CheckpointOptions;
import org.apache.flink.runtime.checkpoint.CheckpointProperties;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.OperatorSubtaskState;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.runtime.state.CheckpointStateOutputStream;
import org.apache.flink.runtime.state.CheckpointedStateScope;
import org.apache.flink.runtime.state.CompletedCheckpointStorageLocation;
import org.apache.flink.runtime.state.DefaultOperatorStateBackend;
import org.apache.flink.runtime.state.DefaultOperatorStateBackendBuilder;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeOffsets;
import org.apache.flink.runtime.state.KeyGroupsStateHandle;
import org.apache.flink.runtime.state.KeyedStateHandle;
import org.apache.flink.runtime.state.OperatorStateHandle;
import org.apache.flink.runtime.state.SnapshotResult;
import org.apache.flink.runtime.state.filesystem.AbstractFsCheckpointStorageAccess;
import org.apache.flink.runtime.state.filesystem.FsCheckpointStreamFactory;
import org.apache.flink.runtime.state.memory.ByteStreamStateHandle;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.node.ObjectNode;
import org.apache.flink.streaming.api.graph.StreamGraphHasherV2;
import org.apache.flink.streaming.api.operators.util.SimpleVersionedListState;

/**
 * A savepoint without a cluster: {@code read PATH UID..} tells what is in it, {@code write DIRECTORY} makes one of what it is told.
 * Both speak in messages, which core/src/flink/savepoint.rs draws; what they mean is not known here.
 */
public final class Savepoint {
    private static final int SAVEPOINT = 1;
    private static final int OPERATOR = 2;
    private static final int ITEM = 3;
    private static final int DEALT = 4;
    private static final int BLOCK = 5;
    private static final int STRANGER = 6;
    private static final int END = 7;

    /** As {@link KeyedFragment} and Flink's own operator of sources call what they keep. */
    private static final ListStateDescriptor<byte[]> KEPT =
            new ListStateDescriptor<>("kept", BytePrimitiveArraySerializer.INSTANCE);
    private static final ListStateDescriptor<byte[]> SPLITS =
            new ListStateDescriptor<>("SourceReaderState", BytePrimitiveArraySerializer.INSTANCE);
    private static final FragmentSource SOURCE = new FragmentSource(new String[0], 0, false, new ArrayList<>());
    /** Of what a coordinator of sources keeps: its own version, that of the enumerator's, the length of that. */
    private static final int COORDINATOR_VERSION = 1;
    private static final int INLINE_BYTES = 20 << 10;
    private static final int BUFFER_BYTES = 256 << 10;

    private Savepoint() {}

    public static void main(String[] args) {
        // What anybody logs must not come between the messages.
        System.setOut(System.err);
        try {
            if (args[0].equals("read")) {
                read(args[1], Arrays.asList(args).subList(2, args.length));
            } else {
                write(args[1]);
            }
        } catch (Throwable error) {
            Throwable cause = error;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            System.err.println("tidegate: " + (cause instanceof IOException ? cause.getMessage() : cause.toString()));
            System.exit(1);
        }
    }

    private static OperatorID id(String uid) {
        return new OperatorID(StreamGraphHasherV2.generateUserSpecifiedHash(uid));
    }

    private static void read(String pointer, List<String> uids) throws Exception {
        CompletedCheckpointStorageLocation location = AbstractFsCheckpointStorageAccess.resolveCheckpointPointer(pointer);
        CheckpointMetadata metadata;
        try (DataInputStream in = new DataInputStream(
                new BufferedInputStream(location.getMetadataHandle().openInputStream()))) {
            metadata = Checkpoints.loadCheckpointMetadata(
                    in, Savepoint.class.getClassLoader(), location.getExternalPointer());
        }
        Messages out = new Messages();
        out.say(SAVEPOINT, Beginning.JSON.createObjectNode().put("checkpoint", metadata.getCheckpointId()));
        Map<OperatorID, OperatorState> operators = new HashMap<>();
        metadata.getOperatorStates().forEach(operator -> operators.put(operator.getOperatorID(), operator));
        for (String uid : uids) {
            OperatorState operator = operators.remove(id(uid));
            if (operator != null) {
                read(uid, operator, out);
            }
        }
        for (OperatorState operator : operators.values()) {
            boolean keyed = operator.getStates().stream().anyMatch(
                    subtask -> !subtask.getRawKeyedState().isEmpty() || !subtask.getManagedKeyedState().isEmpty());
            // That of an operator that has the sinks settled is empty.
            boolean coordinated = operator.getCoordinatorState() != null && operator.getCoordinatorState().getStateSize() > 0;
            if (keyed || coordinated) {
                String known = operator.getOperatorUid().or(operator::getOperatorName)
                        .orElseGet(() -> operator.getOperatorID().toString());
                out.say(STRANGER, known.getBytes(StandardCharsets.UTF_8));
            }
        }
        out.say(END, new byte[0]);
        out.stream.flush();
    }

    private static void read(String uid, OperatorState operator, Messages out) throws Exception {
        out.say(OPERATOR, Beginning.JSON.createObjectNode().put("uid", uid).put("parallelism", operator.getParallelism())
                .put("max_parallelism", operator.getMaxParallelism()).put("finished", operator.isFullyFinished()));
        // As Main.java calls the sources.
        boolean source = uid.startsWith("source ");
        if (source && operator.getCoordinatorState() != null) {
            byte[] bytes = operator.getCoordinatorState().getData();
            DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
            if (in.readInt() != COORDINATOR_VERSION) {
                throw new IOException("this version of Flink keeps what its sources have dealt in another way");
            }
            int version = in.readInt();
            byte[] dealt = new byte[in.readInt()];
            in.readFully(dealt);
            ObjectNode ids = Beginning.JSON.createObjectNode();
            SOURCE.getEnumeratorCheckpointSerializer().deserialize(version, dealt)
                    .forEach(ids.putArray("splits")::add);
            out.say(DEALT, ids);
        }
        List<KeyGroupsStateHandle> keyed = new ArrayList<>();
        for (OperatorSubtaskState subtask : operator.getStates()) {
            items(subtask.getManagedOperatorState(), source, out);
            for (KeyedStateHandle handle : subtask.getRawKeyedState()) {
                keyed.add((KeyGroupsStateHandle) handle);
            }
        }
        keyed.sort(Comparator.comparingInt(handle -> handle.getKeyGroupRange().getStartKeyGroup()));
        for (KeyGroupsStateHandle handle : keyed) {
            try (org.apache.flink.core.fs.FSDataInputStream stream = handle.openInputStream()) {
                for (int group : handle.getKeyGroupRange()) {
                    long offset = handle.getOffsetForKeyGroup(group);
                    if (offset < 0) {
                        continue;
                    }
                    stream.seek(offset);
                    DataInputStream in = new DataInputStream(new BufferedInputStream(stream, BUFFER_BYTES));
                    for (int length = in.readInt(); length > 0; length = in.readInt()) {
                        byte[] block = new byte[4 + length];
                        in.readFully(block, 4, length);
                        java.nio.ByteBuffer.wrap(block).putInt(0, group);
                        out.say(BLOCK, block);
                    }
                }
            }
        }
    }

    private static void items(Collection<OperatorStateHandle> handles, boolean source, Messages out) throws Exception {
        DefaultOperatorStateBackend backend = backend(handles);
        try {
            if (!source) {
                for (byte[] item : backend.getUnionListState(KEPT).get()) {
                    out.say(ITEM, item);
                }
                return;
            }
            SimpleVersionedSerializer<FragmentSource.Split> serializer = SOURCE.getSplitSerializer();
            for (FragmentSource.Split split :
                    new SimpleVersionedListState<>(backend.getListState(SPLITS), serializer).get()) {
                out.say(ITEM, serializer.serialize(split));
            }
        } finally {
            backend.dispose();
        }
    }

    private static DefaultOperatorStateBackend backend(Collection<OperatorStateHandle> handles) throws Exception {
        return new DefaultOperatorStateBackendBuilder(Savepoint.class.getClassLoader(), new ExecutionConfig(), false,
                handles, new CloseableRegistry()).build();
    }

    private static void write(String directory) throws Exception {
        Path path = new Path(new File(directory).getAbsoluteFile().toURI());
        FsCheckpointStreamFactory files =
                new FsCheckpointStreamFactory(LocalFileSystem.getSharedInstance(), path, path, INLINE_BYTES, BUFFER_BYTES);
        DataInputStream in = new DataInputStream(new BufferedInputStream(
                new FileInputStream(FileDescriptor.in), BUFFER_BYTES));
        long checkpoint = 0;
        List<OperatorState> operators = new ArrayList<>();
        Writing writing = null;
        while (true) {
            int kind = in.read();
            if (kind < 0) {
                throw new EOFException("not all of it was told");
            }
            byte[] body = new byte[in.readInt()];
            in.readFully(body);
            switch (kind) {
                case SAVEPOINT:
                    checkpoint = Beginning.JSON.readTree(body).get("checkpoint").asLong();
                    break;
                case OPERATOR:
                    if (writing != null) {
                        operators.add(writing.end());
                    }
                    writing = new Writing(Beginning.JSON.readTree(body), checkpoint, files);
                    break;
                case ITEM:
                    writing.items.add(body);
                    break;
                case DEALT:
                    writing.dealt(Beginning.JSON.readTree(body).get("splits"));
                    break;
                case BLOCK:
                    writing.block(body);
                    break;
                case END:
                    if (writing != null) {
                        operators.add(writing.end());
                    }
                    CheckpointMetadata metadata = new CheckpointMetadata(checkpoint, operators, List.of(),
                            CheckpointProperties.forSavepoint(false, SavepointFormatType.NATIVE));
                    try (BufferedOutputStream out = new BufferedOutputStream(new FileOutputStream(
                            new File(directory, AbstractFsCheckpointStorageAccess.METADATA_FILE_NAME)))) {
                        Checkpoints.storeCheckpointMetadata(metadata, out);
                    }
                    return;
                default:
                    throw new IOException("a message of kind " + kind + " that is none");
            }
        }
    }

    /** An operator whose state is being written, as that of one subtask: Flink deals it to as many as there are then. */
    private static final class Writing {
        private final String uid;
        private final int maxParallelism;
        private final long checkpoint;
        private final FsCheckpointStreamFactory files;
        private final List<byte[]> items = new ArrayList<>();
        private final long[] offsets;
        private ByteStreamStateHandle coordinator;
        private CheckpointStateOutputStream stream;
        private DataOutputStream blocks;
        private int group = -1;

        Writing(JsonNode operator, long checkpoint, FsCheckpointStreamFactory files) {
            this.uid = operator.get("uid").asText();
            this.maxParallelism = operator.get("max_parallelism").asInt();
            this.checkpoint = checkpoint;
            this.files = files;
            offsets = new long[maxParallelism];
            Arrays.fill(offsets, -1);
        }

        void dealt(JsonNode splits) throws IOException {
            Set<String> ids = new LinkedHashSet<>();
            splits.forEach(split -> ids.add(split.asText()));
            SimpleVersionedSerializer<Set<String>> serializer = SOURCE.getEnumeratorCheckpointSerializer();
            byte[] bytes = serializer.serialize(ids);
            ByteArrayOutputStream state = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(state);
            out.writeInt(COORDINATOR_VERSION);
            out.writeInt(serializer.getVersion());
            out.writeInt(bytes.length);
            out.write(bytes);
            coordinator = new ByteStreamStateHandle("coordinator of " + uid, state.toByteArray());
        }

        void block(byte[] body) throws IOException {
            if (stream == null) {
                stream = files.createCheckpointStateOutputStream(CheckpointedStateScope.EXCLUSIVE);
                blocks = new DataOutputStream(stream);
            }
            int of = java.nio.ByteBuffer.wrap(body).getInt();
            if (of != group) {
                if (group >= 0) {
                    blocks.writeInt(0);
                }
                offsets[of] = stream.getPos();
                group = of;
            }
            blocks.writeInt(body.length - 4);
            blocks.write(body, 4, body.length - 4);
        }

        OperatorState end() throws Exception {
            OperatorState operator = new OperatorState(null, uid, id(uid), 1, maxParallelism);
            OperatorSubtaskState.Builder subtask = OperatorSubtaskState.builder();
            OperatorStateHandle kept = kept();
            if (kept != null) {
                subtask.setManagedOperatorState(kept);
            }
            if (stream != null) {
                blocks.writeInt(0);
                KeyGroupRange all = new KeyGroupRange(0, maxParallelism - 1);
                subtask.setRawKeyedState(
                        new KeyGroupsStateHandle(new KeyGroupRangeOffsets(all, offsets), stream.closeAndGetHandle()));
            }
            operator.putState(0, subtask.build());
            if (coordinator != null) {
                operator.setCoordinatorState(coordinator);
            }
            return operator;
        }

        private OperatorStateHandle kept() throws Exception {
            DefaultOperatorStateBackend backend = backend(List.of());
            try {
                if (coordinator == null) {
                    backend.getUnionListState(KEPT).update(items);
                } else {
                    SimpleVersionedSerializer<FragmentSource.Split> serializer = SOURCE.getSplitSerializer();
                    ListState<FragmentSource.Split> splits =
                            new SimpleVersionedListState<>(backend.getListState(SPLITS), serializer);
                    for (byte[] item : items) {
                        splits.add(serializer.deserialize(serializer.getVersion(), item));
                    }
                }
                RunnableFuture<SnapshotResult<OperatorStateHandle>> written = backend.snapshot(
                        checkpoint, 0, files, CheckpointOptions.forCheckpointWithDefaultLocation());
                written.run();
                return written.get().getJobManagerOwnedSnapshot();
            } finally {
                backend.dispose();
            }
        }
    }

    /** Messages to the standard output. */
    private static final class Messages {
        private final DataOutputStream stream = new DataOutputStream(
                new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), BUFFER_BYTES));

        void say(int kind, ObjectNode body) throws IOException {
            say(kind, Beginning.JSON.writeValueAsBytes(body));
        }

        void say(int kind, byte[] body) throws IOException {
            stream.write(kind);
            stream.writeInt(body.length);
            stream.write(body);
        }
    }
}
