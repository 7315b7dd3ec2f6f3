import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;

/**
 * Makes the class files under a folder readable for dx at API 23, which has only abstract methods in
 * interfaces. TensorFlow Lite's Java layer has three others: static factories, which the app does
 * not use and which are left out, and an empty default, which becomes abstract (its one class in
 * the layer has a method of its own). A class that calls a factory is left out with it.
 *
 * <p>Android Studio's D8 does not need this; it gives such methods classes of their own.
 */
public final class PlainInterfaces {
    private static final String FACTORY = "org/tensorflow/lite/InterpreterFactory.class";

    public static void main(String[] folders) throws IOException {
        Path root = Paths.get(folders[0]);
        Files.deleteIfExists(root.resolve(FACTORY));
        List<Path> classes;
        try (Stream<Path> found = Files.walk(root)) {
            classes = found.filter(p -> p.toString().endsWith(".class")).collect(Collectors.toList());
        }
        List<String> changed = new ArrayList<>();
        for (Path path : classes) {
            ClassReader reader = new ClassReader(Files.readAllBytes(path));
            if ((reader.getAccess() & Opcodes.ACC_INTERFACE) != 0) {
                ClassWriter writer = new ClassWriter(0);
                reader.accept(new Abstract(writer, changed), 0);
                Files.write(path, writer.toByteArray());
            }
        }
        System.out.println("plain interfaces: " + String.join(", ", changed));
    }

    /** Passes an interface on with its abstract methods and static initializer alone. */
    private static final class Abstract extends ClassVisitor {
        private final List<String> changed;
        private String owner;

        Abstract(ClassVisitor next, List<String> changed) {
            super(Opcodes.ASM9, next);
            this.changed = changed;
        }

        @Override
        public void visit(int version, int access, String name, String signature, String parent,
                String[] interfaces) {
            owner = name;
            super.visit(version, access, name, signature, parent, interfaces);
        }

        @Override
        public MethodVisitor visitMethod(int access, String name, String descriptor,
                String signature, String[] exceptions) {
            if ((access & Opcodes.ACC_ABSTRACT) != 0 || name.equals("<clinit>")) {
                return super.visitMethod(access, name, descriptor, signature, exceptions);
            }
            changed.add(owner + "." + name);
            if ((access & Opcodes.ACC_STATIC) == 0) {
                super.visitMethod(access | Opcodes.ACC_ABSTRACT, name, descriptor, signature, exceptions)
                        .visitEnd();
            }
            return null;
        }
    }
}
