"""What a frozen program needs of the package beside its modules: the schema of Align AI's wire, the server's files."""

from PyInstaller.utils.hooks import collect_data_files

datas = [
    *collect_data_files("mindlytics"),
    *collect_data_files("mindlytics.server.migrations", include_py_files=True),  # Alembic reads them as files
]
