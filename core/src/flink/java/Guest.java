package io.tidegate.flink;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * The process of one subtask, as its task sees it. What they say to each other is drawn in message.rs.
 *
 * <p>A request is sent, and the task goes on; what the subtask puts out is collected before the next request. So the two work at
 * the same time, and neither ever waits for the other to read.
 */
final class Guest implements AutoCloseable {
    static final byte BEGIN = 1, BLOCK = 2, OPEN = 3, RECORDS = 4, WATERMARK = 5, STATUS = 6, FLUSH = 7, POLL = 8,
            BARRIER = 9, COMMIT = 10;
    /** What is next. */
    static final byte REST = 0, FLUSH_SOON = 1, WAKE = 2, EXHAUSTED = 3;
    /** Nobody waits for longer. */
    private static final long LONGEST_MILLIS = TimeUnit.DAYS.toMillis(1);

    /** Takes what a subtask puts out. */
    interface Output {
        void records(byte[] frame);

        void watermark(long millis);

        void status(boolean idle);
    }

    private final Executable executable;
    private final Figures figures;
    final Path directory;
    private Process process;
    private SocketChannel channel;
    private ByteBuffer out = ByteBuffer.allocateDirect(1 << 17).order(ByteOrder.LITTLE_ENDIAN);
    private ByteBuffer in = ByteBuffer.allocateDirect(1 << 17).order(ByteOrder.LITTLE_ENDIAN);
    private boolean owes;
    private String kept = "[]";
    private byte next = REST;
    private long nextNanos;

    /** Starts the process, which knows nothing yet. What it counts goes to `figures`. */
    Guest(Figures figures) throws IOException {
        this.figures = figures;
        executable = Executable.acquire();
        directory = executable.directory();
        Path socket = directory.resolve("task.socket");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            server.configureBlocking(false);
            process = new ProcessBuilder(executable.path().toString(), "flink", "serve", socket.toString())
                    .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                    .redirectOutput(ProcessBuilder.Redirect.INHERIT)
                    .redirectError(directory.resolve("stderr").toFile())
                    .start();
            SocketChannel connected = server.accept();
            while (connected == null) {
                if (!process.isAlive()) {
                    throw gone();
                }
                Thread.sleep(1);
                connected = server.accept();
            }
            channel = connected;
            in.limit(0);
        } catch (InterruptedException interrupted) {
            close();
            Thread.currentThread().interrupt();
            throw new IOException(interrupted);
        } catch (IOException error) {
            close();
            throw error;
        }
    }

    String kept() {
        return kept;
    }

    byte next() {
        return next;
    }

    /** How long it is until something is to be done, if something is. */
    long nextMillis() {
        return Math.max(0, (nextNanos - System.nanoTime() + 999_999) / 1_000_000);
    }

    boolean owes() {
        return owes;
    }

    /** Sends a request that is not answered. */
    void tell(byte what, int group, byte[] body) throws IOException {
        int head = what == BLOCK ? 4 : 0;
        begin(what, head + body.length);
        if (head > 0) {
            out.putInt(group);
        }
        out.put(body);
        send();
    }

    /** Sends a request; what comes of it is to be collected before the next one. */
    void ask(byte what, byte[] body) throws IOException {
        begin(what, body.length);
        out.put(body);
        send();
        owes = true;
    }

    void ask(byte what, long number) throws IOException {
        begin(what, 8);
        out.putLong(number);
        send();
        owes = true;
    }

    private void begin(byte what, int length) {
        if (owes) {
            throw new IllegalStateException("the last answer has not been collected; this is a defect of Tidegate");
        }
        if (out.capacity() < length + 5) {
            out = ByteBuffer.allocateDirect(Integer.highestOneBit(length + 5) * 2).order(ByteOrder.LITTLE_ENDIAN);
        }
        out.clear().putInt(length + 1).put(what);
    }

    private void send() throws IOException {
        out.flip();
        try {
            while (out.hasRemaining()) {
                channel.write(out);
            }
        } catch (java.nio.channels.ClosedByInterruptException interrupted) {
            throw interrupted;
        } catch (IOException broken) {
            // It may have said why before it went.
            if (!owes) {
                owes = true;
                collect(null);
            }
            throw gone();
        }
    }

    /** Takes all that has come of the last request; waits for it. */
    void collect(Output output) throws IOException {
        while (owes) {
            need(5);
            int length = in.getInt();
            need(length);
            byte what = in.get();
            switch (what) {
                case 16: {
                    byte[] frame = new byte[length - 1];
                    in.get(frame);
                    output.records(frame);
                    break;
                }
                case 17:
                    output.watermark(in.getLong());
                    break;
                case 18:
                    output.status(in.get() == 1);
                    break;
                case 19:
                    kept = text(length - 1);
                    break;
                case 20:
                    next = in.get();
                    nextNanos = System.nanoTime() + Math.min(in.getLong(), LONGEST_MILLIS) * 1_000_000;
                    owes = false;
                    break;
                case 21:
                    owes = false;
                    throw new JobFailure(text(length - 1));
                case 22: {
                    byte[] told = new byte[length - 1];
                    in.get(told);
                    figures.take(told);
                    break;
                }
                default:
                    throw new IOException("the process of the job has sent a message of kind " + what + " that is none");
            }
        }
    }

    private String text(int length) {
        byte[] bytes = new byte[length];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    /** Sees to it that so many bytes are there to be read. */
    private void need(int bytes) throws IOException {
        if (in.remaining() >= bytes) {
            return;
        }
        if (in.capacity() < bytes) {
            ByteBuffer larger =
                    ByteBuffer.allocateDirect(Integer.highestOneBit(bytes) * 2).order(ByteOrder.LITTLE_ENDIAN);
            larger.put(in).flip();
            in = larger;
        }
        in.compact();
        while (in.position() < bytes) {
            int read;
            try {
                read = channel.read(in);
            } catch (java.nio.channels.ClosedChannelException closed) {
                throw closed;
            } catch (IOException reset) {
                throw gone();
            }
            if (read < 0) {
                throw gone();
            }
        }
        in.flip();
    }

    /** Why the process is not there any more. */
    private IOException gone() throws IOException {
        String said = "";
        int code = -1;
        try {
            if (process.waitFor(5, TimeUnit.SECONDS)) {
                code = process.exitValue();
            }
            said = Files.readString(directory.resolve("stderr")).trim();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        if (said.length() > 4000) {
            said = said.substring(said.length() - 4000);
        }
        String how = code > 128 ? "was ended by signal " + (code - 128) : "ended with exit code " + code;
        return new JobFailure("the process of the job " + how + (said.isEmpty() ? "" : ": " + said));
    }

    @Override
    public void close() throws IOException {
        try {
            if (channel != null) {
                channel.close();
            }
            // It goes when the socket is closed; one that has never come to it, or does not come back to it, is ended.
            if (process != null && (channel == null || !process.waitFor(2, TimeUnit.SECONDS))) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException interrupted) {
            if (process != null) {
                process.destroyForcibly();
            }
            Thread.currentThread().interrupt();
        } finally {
            // Unless the process has done so when it went.
            Executable.remove(directory);
            executable.close();
        }
    }

    /** What went wrong in the job, in its own words. */
    static final class JobFailure extends IOException {
        JobFailure(String message) {
            super(message);
        }
    }
}
