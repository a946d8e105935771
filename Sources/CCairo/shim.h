// Cairo: pictures as PNG and SVG from one drawing.
#include <cairo.h>
#include <cairo-svg.h>
