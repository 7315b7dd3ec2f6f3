package edgekit.demo;

import java.util.Arrays;
import java.util.List;

/** The models among the tests' assets, in the order of the register, and their screens. */
final class Shelf {
    static final List<String> NAMES = Arrays.asList("mobilenet_v2", "ssdlite-boxes", "deeplab_v3",
            "gp", "noise-exact", "phylogeny-elimination", "bear", "pearl-sparse");
    static final List<Class<?>> SCREENS = Arrays.<Class<?>>asList(PictureActivity.class,
            PictureActivity.class, PictureActivity.class, RegressActivity.class,
            PhylogenyActivity.class, PhylogenyActivity.class, PolicyActivity.class,
            AdaptActivity.class);

    private Shelf() {}
}
