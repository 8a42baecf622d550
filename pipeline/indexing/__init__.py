"""From files, tables and drawn regions to the source images that a recipe can use: index.csv, regions.csv, rejects.csv."""
