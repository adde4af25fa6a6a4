package io.tidegate.flink;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/**
 * The job's executable, out of the jar: once for all who use it in this JVM, and gone when nobody does. It lies in a directory that is locked
 * as long, in which each who uses it has one of their own. What a JVM that was killed has left goes when another one comes to need the like.
 */
final class Executable implements AutoCloseable {
    private static final String PREFIX = "tidegate-";
    /** Locked as long as somebody uses the directory. What has none is not ours. */
    private static final String MARK = "tidegate.executable";
    /** Which JVM this is, among all that there ever were on this machine. */
    private static final String JVM = PREFIX + Long.toString(ManagementFactory.getRuntimeMXBean().getStartTime(), 36)
            + "-" + ProcessHandle.current().pid() + "-";

    private static Path home;
    private static FileChannel lock;
    private static int users;
    private static int given;

    private Executable() {}

    static Executable acquire() throws IOException {
        synchronized (Executable.class) {
            if (users == 0) {
                extract();
            }
            users++;
        }
        return new Executable();
    }

    Path path() {
        return home.resolve("job");
    }

    /** A new directory of who asks. Its name is short: the path of a socket may not be long. */
    Path directory() throws IOException {
        synchronized (Executable.class) {
            return Files.createDirectory(home.resolve(Integer.toString(given++)));
        }
    }

    @Override
    public void close() throws IOException {
        synchronized (Executable.class) {
            if (--users == 0) {
                leave();
            }
        }
    }

    private static void leave() throws IOException {
        remove(home);
        lock.close();
    }

    /** Removes a file or a directory with all that is in it. What can't be removed is no failure. */
    static void remove(Path path) {
        try (Stream<Path> files = Files.walk(path)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
        } catch (IOException | UncheckedIOException gone) {
            // Somebody was faster.
        }
    }

    private static void extract() throws IOException {
        String name = "/native/" + platform() + "/job";
        try (InputStream job = Executable.class.getResourceAsStream(name)) {
            if (job == null) {
                throw new Guest.JobFailure("the jar has no executable of the job for " + platform()
                        + ", which this machine is: build the job there, and package it again");
            }
            Path parent = Path.of(System.getProperty("java.io.tmpdir"));
            removeLeftovers(parent);
            settle(parent);
            try {
                Path file = home.resolve("job");
                Files.copy(job, file);
                check(name, file);
                Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r-x------"));
            } catch (IOException error) {
                leave();
                throw error;
            }
        }
    }

    /** Makes a directory, and locks it. */
    private static void settle(Path parent) throws IOException {
        while (true) {
            home = parent.resolve(JVM + Integer.toString(ThreadLocalRandom.current().nextInt(36 * 36 * 36), 36));
            try {
                Files.createDirectory(home, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            } catch (FileAlreadyExistsException taken) {
                continue;
            }
            lock = FileChannel.open(home.resolve(MARK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            // Until it is locked, another JVM may take it for a leftover.
            if (lock.tryLock() != null && Files.exists(home.resolve(MARK))) {
                return;
            }
            leave();
        }
    }

    /** Removes the directories of JVMs that are gone: their locks can be taken. */
    private static void removeLeftovers(Path parent) throws IOException {
        try (DirectoryStream<Path> all = Files.newDirectoryStream(parent, PREFIX + "*")) {
            for (Path directory : all) {
                Path file = directory.resolve(MARK);
                // To close a file that another class loader of this JVM has locked would unlock it.
                if (directory.getFileName().toString().startsWith(JVM) || !Files.exists(file)) {
                    continue;
                }
                try (FileChannel other = FileChannel.open(file, StandardOpenOption.WRITE)) {
                    if (other.tryLock() != null) {
                        remove(directory);
                    }
                } catch (IOException notOurs) {
                    // Somebody else's, or somebody was faster.
                }
            }
        }
    }

    /** Java would have a shell run what the kernel refuses to, and its complaint says nothing to anybody. */
    private static void check(String name, Path file) throws IOException {
        Integer own = MACHINES.get(platform());
        try (DataInputStream head = new DataInputStream(Files.newInputStream(file))) {
            boolean isElf = head.readInt() == 0x7f454c46;
            head.skipNBytes(1);
            boolean isLittleEndian = head.readByte() == 1;
            head.skipNBytes(12);
            short machine = head.readShort();
            int its = (isLittleEndian ? Short.reverseBytes(machine) : machine) & 0xffff;
            if (own == null || isElf && its == own) {
                return;
            }
            String is = !isElf ? "no executable of Linux" : MACHINES.entrySet().stream()
                    .filter(known -> known.getValue() == its)
                    .map(known -> "for " + known.getKey())
                    .findAny()
                    .orElse("for another machine (its ELF number is " + its + ")");
            throw new Guest.JobFailure("the executable of the job in the jar, " + name + ", is " + is
                    + ", and this machine is " + platform() + ": build the job there, and package it again");
        } catch (EOFException cut) {
            throw new Guest.JobFailure("the executable of the job in the jar, " + name + ", is cut off: package it again");
        }
    }

    /** What an ELF file of each platform says that it is for. */
    private static final Map<String, Integer> MACHINES =
            Map.of("linux-x86_64", 62, "linux-aarch64", 183, "linux-riscv64", 243);

    /** As Rust calls it: `linux-x86_64`. */
    static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT).startsWith("mac") ? "macos" : "linux";
        String arch = System.getProperty("os.arch");
        return os + "-" + (arch.equals("amd64") ? "x86_64" : arch.equals("arm64") ? "aarch64" : arch);
    }
}
