"""How each task is scored: `measure` takes what an image adds, `summarise` what many images come to."""
