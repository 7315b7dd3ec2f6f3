package edgekit.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;

/** A folder of this machine. */
public final class DiskFolder implements Artifact.Folder {
    private final File folder;

    public DiskFolder(File folder) {
        this.folder = folder;
    }

    @Override
    public InputStream open(String name) throws IOException {
        return new FileInputStream(new File(folder, name));
    }

    @Override
    public String where() {
        return folder.getName();
    }
}
