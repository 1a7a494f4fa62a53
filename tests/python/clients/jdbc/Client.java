import java.io.StringReader;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.util.Arrays;
import org.postgresql.PGConnection;

/** Prints `ok STEP = ANSWER` or `FAIL STEP = MESSAGE` for each step; the exit code counts the failures. */
public class Client {
    interface Step {
        Object run() throws Exception;
    }

    private static int failures = 0;

    private static void step(String name, Step step) {
        try {
            Object answer = step.run();
            System.out.println("ok " + name + " = " + (answer instanceof ResultSet rows ? count(rows) : answer));
        } catch (Exception error) {
            Throwable cause = error instanceof InvocationTargetException ? error.getCause() : error;
            failures++;
            System.out.println("FAIL " + name + " = " + String.valueOf(cause.getMessage()).replace("\n", " | "));
        }
    }

    private static int count(ResultSet rows) throws SQLException {
        int number = 0;
        while (rows.next()) {
            number++;
        }
        return number;
    }

    public static void main(String[] arguments) throws Exception {
        Connection connection = DriverManager.getConnection(arguments[0], "admin", arguments[1]);
        connection.setNetworkTimeout(Runnable::run, 30000);
        metadata(connection.getMetaData());
        work(connection);
        connection.close();
        System.exit(failures);
    }

    private static void metadata(DatabaseMetaData metadata) {
        for (var method : DatabaseMetaData.class.getMethods()) {
            // The driver itself does not implement getRowIdLifetime.
            boolean plain = method.getParameterCount() == 0 && !method.getName().equals("getRowIdLifetime");
            if (plain && !method.getName().equals("getConnection")) {
                step(method.getName(), () -> method.invoke(metadata));
            }
        }
        step("getTables", () -> metadata.getTables(null, "sample", "%", new String[] {"TABLE", "VIEW"}));
        step("getColumns", () -> metadata.getColumns(null, "sample", "%", "%"));
        step("getPrimaryKeys", () -> metadata.getPrimaryKeys(null, "public", "jdbc_key"));
        step("getIndexInfo", () -> metadata.getIndexInfo(null, "sample", "nation", false, false));
        step("getImportedKeys", () -> metadata.getImportedKeys(null, "sample", "nation"));
        step("getExportedKeys", () -> metadata.getExportedKeys(null, "sample", "nation"));
        step("getCrossReference",
            () -> metadata.getCrossReference(null, "sample", "nation", null, "sample", "region"));
        step("getProcedures", () -> metadata.getProcedures(null, null, "%"));
        step("getProcedureColumns", () -> metadata.getProcedureColumns(null, null, "%", "%"));
        step("getFunctions", () -> metadata.getFunctions(null, null, "%"));
        step("getFunctionColumns", () -> metadata.getFunctionColumns(null, null, "%", "%"));
        step("getTablePrivileges", () -> metadata.getTablePrivileges(null, "sample", "%"));
        step("getColumnPrivileges", () -> metadata.getColumnPrivileges(null, "sample", "nation", "%"));
        step("getVersionColumns", () -> metadata.getVersionColumns(null, "sample", "nation"));
        step("getBestRowIdentifier", () -> metadata.getBestRowIdentifier(null, "sample", "nation", 0, true));
        step("getUDTs", () -> metadata.getUDTs(null, null, "%", null));
        step("getSchemas by pattern", () -> metadata.getSchemas(null, "%"));
    }

    private static void work(Connection connection) throws SQLException {
        Statement statement = connection.createStatement();
        step("create", () -> statement.executeUpdate("create table jdbc_test "
            + "(id int, name varchar(20), amount numeric(10,2), at timestamp, ok boolean)"));
        step("batch", () -> {
            PreparedStatement insert = connection.prepareStatement("insert into jdbc_test values (?, ?, ?, ?, ?)");
            for (int id = 0; id < 10; id++) {
                insert.setInt(1, id);
                insert.setString(2, "n" + id);
                insert.setBigDecimal(3, new BigDecimal("1.50"));
                insert.setTimestamp(4, Timestamp.valueOf("2024-01-01 00:00:00"));
                insert.setBoolean(5, true);
                insert.addBatch();
            }
            return Arrays.stream(insert.executeBatch()).sum();
        });
        step("binary results", () -> {
            PreparedStatement select = connection.prepareStatement(
                "select id, amount, at, ok, name from jdbc_test where id = ?");
            String last = null;
            for (int id = 0; id < 9; id++) {
                select.setInt(1, id);
                ResultSet row = select.executeQuery();
                row.next();
                last = row.getInt(1) + " " + row.getBigDecimal(2) + " " + row.getTimestamp(3) + " "
                    + row.getBoolean(4) + " " + row.getString(5);
            }
            return last;
        });
        step("fetch size", () -> {
            connection.setAutoCommit(false);
            Statement cursor = connection.createStatement();
            cursor.setFetchSize(1000);
            int rows = count(cursor.executeQuery("select * from sample.lineitem"));
            connection.commit();
            connection.setAutoCommit(true);
            return rows;
        });
        step("savepoint", () -> {
            connection.setAutoCommit(false);
            Savepoint savepoint = connection.setSavepoint();
            try {
                statement.execute("select 1 / 0");
            } catch (SQLException error) {
                connection.rollback(savepoint);
            }
            statement.execute("select 1");
            connection.commit();
            connection.setAutoCommit(true);
            return true;
        });
        step("update", () -> statement.executeUpdate("update jdbc_test set name = 'x' where id < 3"));
        step("delete", () -> statement.executeUpdate("delete from jdbc_test where id = 9"));
        step("generated keys", () -> {
            PreparedStatement insert = connection.prepareStatement(
                "insert into jdbc_test (id, name) values (77, 'k')", new String[] {"id"});
            insert.executeUpdate();
            ResultSet keys = insert.getGeneratedKeys();
            keys.next();
            return keys.getInt(1);
        });
        step("array", () -> {
            PreparedStatement select = connection.prepareStatement(
                "select count(*) from jdbc_test where id = any(?)");
            select.setArray(1, connection.createArrayOf("int4", new Integer[] {1, 2, 3}));
            ResultSet row = select.executeQuery();
            row.next();
            return row.getLong(1);
        });
        step("copy", () -> {
            var copy = connection.unwrap(PGConnection.class).getCopyAPI();
            long in = copy.copyIn("copy jdbc_test (id, name) from stdin", new StringReader("100\tq\n"));
            return in + " " + copy.copyOut("copy jdbc_test to stdout", new StringWriter());
        });
        step("result metadata", () -> {
            var columns = statement.executeQuery("select name, amount from jdbc_test").getMetaData();
            return columns.getColumnTypeName(1) + " " + columns.getPrecision(1) + " "
                + columns.getColumnTypeName(2) + " " + columns.getPrecision(2) + "," + columns.getScale(2);
        });
        step("drop", () -> statement.executeUpdate("drop table jdbc_test"));
    }
}
