package edgekit.core.task;

import edgekit.core.InputError;
import edgekit.core.Tensor;
import java.util.Arrays;

/** A question to a mutation matrix. */
abstract class MatrixTask<A> implements Task<Genotypes, A> {
    private Tensor tensor;

    @Override
    public final void bind(Tensor input) {
        if (input.shape.length != 3 || input.shape[0] != 1) {
            throw new InputError("input " + input.spec.name).got(Arrays.toString(input.shape))
                    .expected("[1, rows, columns]");
        }
        tensor = input;
    }

    /** Stores 1, -1 and, where it is unknown or beyond the matrix, 0. */
    @Override
    public final void encode(Genotypes matrix) {
        int rows = tensor.shape[1];
        int columns = tensor.shape[2];
        if (matrix.rows.size() > rows || matrix.columns.size() > columns) {
            throw new InputError(matrix.where + ": beyond what the model takes")
                    .got(matrix.rows.size() + " rows, " + matrix.columns.size() + " columns")
                    .expected("at most " + rows + " and " + columns)
                    .todo("train or convert with larger --rows and --columns");
        }
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < columns; j++) {
                boolean inside = i < matrix.rows.size() && j < matrix.columns.size();
                byte value = inside ? matrix.values[i][j] : Genotypes.UNKNOWN;
                tensor.put(i * columns + j, value == Genotypes.UNKNOWN ? 0 : value == 1 ? 1 : -1);
            }
        }
    }
}
