package edgekit.demo;

import android.content.Context;
import android.content.Intent;
import android.net.Uri;
import android.provider.DocumentsContract;
import edgekit.core.Artifact;
import edgekit.core.Fields;
import edgekit.core.InputError;
import edgekit.core.JsonReader;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** The artifacts in the app, listed by assets/models/register.json, and folders in storage. */
final class Models {
    private static final String FOLDER = "models";
    private static final String REGISTER = "register.json";
    private static final int SCHEMA = 1;
    private static final String NAME = "edgekit.demo.NAME"; // of an artifact among the assets

    private Models() {}

    /** Returns the names of the artifacts among the assets; none where no one was put in. */
    static List<String> names(Context context) {
        try {
            context.getAssets().open(FOLDER + "/" + REGISTER).close();
        } catch (IOException none) {
            return new ArrayList<String>();
        }
        byte[] bytes = Artifact.bytes(new Assets(context, FOLDER), REGISTER, 1 << 20);
        String text = new String(bytes, StandardCharsets.UTF_8);
        Fields register = new Fields(REGISTER, JsonReader.read(text)).only("schema", "models");
        register.integer("schema", SCHEMA, SCHEMA);
        return register.strings("models");
    }

    static Artifact open(Context context, String name) {
        return Artifact.open(new Assets(context, FOLDER + "/" + name));
    }

    /** Returns the artifact that an intent means: a name among the assets, or a folder's URI. */
    static Artifact open(Context context, Intent intent) {
        if (intent.getData() != null) {
            return Artifact.open(new Storage(context, intent.getData()));
        }
        String name = intent.getStringExtra(NAME);
        if (name == null) {
            throw new InputError("no model").todo("choose one");
        }
        return open(context, name);
    }

    static Intent intent(Context context, Class<?> screen, String name) {
        return new Intent(context, screen).putExtra(NAME, name);
    }

    /** A folder among the assets. */
    private static final class Assets implements Artifact.Folder {
        private final Context context;
        private final String path;

        Assets(Context context, String path) {
            this.context = context;
            this.path = path;
        }

        @Override
        public InputStream open(String name) throws IOException {
            return context.getAssets().open(path + "/" + name);
        }

        @Override
        public String where() {
            return path;
        }
    }

    /** A folder that a person opened. */
    private static final class Storage implements Artifact.Folder {
        private final Context context;
        private final Uri tree;

        Storage(Context context, Uri tree) {
            this.context = context;
            this.tree = tree;
        }

        @Override
        public InputStream open(String name) throws IOException {
            String id = DocumentsContract.getTreeDocumentId(tree) + "/" + name;
            return OtherApp.open(context, DocumentsContract.buildDocumentUriUsingTree(tree, id));
        }

        @Override
        public String where() {
            return String.valueOf(tree.getLastPathSegment());
        }
    }
}
