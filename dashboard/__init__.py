"""The browser side of Mergescope: pages, live charts, access. It imports the engine, never the other way round."""
