/*
 * The launches of a model: as one graph, so that a run costs the host one call, or one by one where
 * the driver refuses that. Part of device.c.
 */
#if defined(REPHASE_MODEL) && REPHASE_DEVICE

typedef struct rephase_arguments {
  rephase_address addresses[REPHASE_DEVICE_PARAMETERS];
  void *pointers[REPHASE_DEVICE_PARAMETERS];
} rephase_arguments;

static rephase_address rephase_device_address(const rephase_device *device, rephase_place place,
                                              const rephase_tensors *tensors) {
  switch (place.kind) {
    case REPHASE_INPUT: return tensors->inputs[place.value];
    case REPHASE_OUTPUT: return tensors->outputs[place.value];
    case REPHASE_CONSTANT: return device->constants + place.value;
    default: return device->arena + place.value;
  }
}

static void rephase_device_arguments(const rephase_device *device, const rephase_launch *launch,
                                     const rephase_tensors *tensors, rephase_arguments *arguments) {
  for (int i = 0; i < launch->count; i++) {
    arguments->addresses[i] = rephase_device_address(device, launch->places[i], tensors);
    arguments->pointers[i] = &arguments->addresses[i];
  }
}

/* `arguments` must live as long as the result. */
static rephase_node_params rephase_graph_node(const rephase_device *device,
                                              const rephase_launch *launch,
                                              const rephase_tensors *tensors,
                                              rephase_arguments *arguments) {
  rephase_device_arguments(device, launch, tensors, arguments);
  return (rephase_node_params){.function = device->kernels[launch->kernel],
                               .blocks = {launch->blocks, 1, 1},
                               .threads = {launch->threads, 1, 1},
                               .shared_bytes = launch->shared_bytes,
                               .arguments = arguments->pointers};
}

static void rephase_graph_destroy(rephase_device *device) {
  if (device->executable != NULL) device->driver.cuGraphExecDestroy(device->executable);
  if (device->graph != NULL) device->driver.cuGraphDestroy(device->graph);
  device->executable = device->graph = NULL;
}

static int rephase_graph_build(rephase_device *device) {
  const rephase_driver *cu = &device->driver;
  rephase_arguments arguments;
  int result = cu->cuGraphCreate(&device->graph, 0);
  if (result != 0) device->graph = NULL;
  for (size_t i = 0; i < REPHASE_LAUNCHES && result == 0; i++) {
    rephase_node_params node =
        rephase_graph_node(device, &rephase_launches[i], &device->own, &arguments);
    result = cu->cuGraphAddKernelNode(&device->nodes[i], device->graph,
                                      i > 0 ? &device->nodes[i - 1] : NULL, i > 0, &node);
  }
  if (result == 0) result = cu->cuGraphInstantiateWithFlags(&device->executable, device->graph, 0);
  if (result != 0) device->executable = NULL;
  return result;
}

/* A driver that refuses a graph is no failure: `info` says so, and kernels are launched one by one. */
static void rephase_graph_create(rephase_device *device) {
  int result = device->driver.has_graphs ? rephase_graph_build(device) : REPHASE_CU_NOT_FOUND;
  if (result != 0) rephase_graph_destroy(device);
  device->info.graph = result == 0;
  device->info.graph_error = result;
  device->bound = device->own;
}

/* Whether a launch has a tensor elsewhere than its node does. */
static int rephase_graph_moved(const rephase_device *device, const rephase_launch *launch,
                               const rephase_tensors *tensors) {
  for (int i = 0; i < launch->count; i++)
    if (rephase_device_address(device, launch->places[i], tensors) !=
        rephase_device_address(device, launch->places[i], &device->bound))
      return 1;
  return 0;
}

/* Tells the nodes where the tensors are; launches that were made before keep theirs. */
static int rephase_graph_bind(rephase_device *device, const rephase_tensors *tensors) {
  rephase_arguments arguments;
  if (memcmp(&device->bound, tensors, sizeof *tensors) == 0) return 0;
  for (size_t i = 0; i < REPHASE_LAUNCHES; i++) {
    if (!rephase_graph_moved(device, &rephase_launches[i], tensors)) continue;
    rephase_node_params node = rephase_graph_node(device, &rephase_launches[i], tensors, &arguments);
    int result = device->driver.cuGraphExecKernelNodeSetParams(device->executable,
                                                               device->nodes[i], &node);
    if (result != 0) return result;
  }
  device->bound = *tensors;
  return 0;
}

/* With the context current: the whole model into a stream. */
static int rephase_device_launch(rephase_device *device, const rephase_tensors *tensors,
                                 void *stream) {
  const rephase_driver *cu = &device->driver;
  rephase_arguments arguments;
  if (device->info.graph) {
    int refused = rephase_graph_bind(device, tensors);
    if (refused == 0) return cu->cuGraphLaunch(device->executable, stream);
    device->info.graph = 0;
    device->info.graph_error = refused;
  }
  for (size_t i = 0; i < REPHASE_LAUNCHES; i++) {
    const rephase_launch *launch = &rephase_launches[i];
    rephase_device_arguments(device, launch, tensors, &arguments);
    int result =
        cu->cuLaunchKernel(device->kernels[launch->kernel], launch->blocks, 1, 1, launch->threads, 1,
                           1, launch->shared_bytes, stream, arguments.pointers, NULL);
    if (result != 0) return result;
  }
  return 0;
}

#else
/* In the compiler itself, and in libraries for CPUs, this file is only text. */
typedef int rephase_device_graph_is_text;
#endif
