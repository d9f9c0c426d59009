// SPDX-License-Identifier: GPL-2.0-only
/* A segment's pages for others in the kernel: dma-bufs, and other modules. */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/ipcshim_segment.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "segment.h"

/* -ESTALE, -EPERM, -EACCES, -EINTR: to be killed. */
static int segment_export_memory(struct ipcshim_segment *segment, u16 rights)
{
	struct ipcshim_memory *memory = segment->memory;
	int err = 0;

	if (mutex_lock_killable(&memory->lock))
		return -EINTR;
	if (segment->stale)
		err = -ESTALE;
	else if (memory->owner != segment)
		err = -EPERM;
	else if (rights & ~segment->rights)
		err = -EACCES;
	if (!err) {
		ipcshim_memory_get(memory);
		memory->exports++;
	}
	mutex_unlock(&memory->lock);
	return err;
}

struct ipcshim_memory *ipcshim_segment_get(int fd, u16 rights)
{
	struct ipcshim_memory *memory;
	struct ipcshim_segment *segment;
	struct file *file;
	int err = -EINVAL;

	if (!(rights & IPCSHIM_RIGHT_READ) ||
	    rights & ~(IPCSHIM_RIGHT_READ | IPCSHIM_RIGHT_WRITE))
		return ERR_PTR(-EINVAL);
	file = fget(fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &ipcshim_segment_fops) {
		segment = file->private_data;
		memory = segment->memory;
		err = segment_export_memory(segment, rights);
	}
	fput(file);
	return err ? ERR_PTR(err) : memory;
}
EXPORT_SYMBOL_GPL(ipcshim_segment_get);

void ipcshim_segment_put(struct ipcshim_memory *memory)
{
	ipcshim_memory_unexport(memory);
}
EXPORT_SYMBOL_GPL(ipcshim_segment_put);

u64 ipcshim_segment_size(const struct ipcshim_memory *memory)
{
	return ipcshim_memory_length(memory);
}
EXPORT_SYMBOL_GPL(ipcshim_segment_size);

struct page *ipcshim_segment_page(struct ipcshim_memory *memory, pgoff_t index)
{
	struct page *page;
	int err;

	if (index >= memory->nr_pages)
		return ERR_PTR(-EINVAL);
	while (!ipcshim_memory_find(memory, index, &page, 1)) {
		err = ipcshim_memory_allocate(memory, index);
		if (err)
			return ERR_PTR(err);
	}
	return page;
}
EXPORT_SYMBOL_GPL(ipcshim_segment_page);

void *ipcshim_segment_vmap(struct ipcshim_memory *memory)
{
	struct page **pages = ipcshim_memory_all(memory);
	void *address;

	if (IS_ERR(pages))
		return ERR_CAST(pages);
	address = vmap(pages, memory->nr_pages, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	return address ?: ERR_PTR(-ENOMEM);
}
EXPORT_SYMBOL_GPL(ipcshim_segment_vmap);

void ipcshim_segment_vunmap(struct ipcshim_memory *memory, void *address)
{
	vunmap(address);
}
EXPORT_SYMBOL_GPL(ipcshim_segment_vunmap);

#ifdef CONFIG_DMA_SHARED_BUFFER
IPCSHIM_IMPORT_NS_DMA_BUF;

static int dmabuf_attach_table(struct ipcshim_memory *memory,
			       struct sg_table *table)
{
	struct page **pages = ipcshim_memory_all(memory);
	int err;

	if (IS_ERR(pages))
		return PTR_ERR(pages);
	err = sg_alloc_table_from_pages(table, pages, memory->nr_pages, 0,
					ipcshim_memory_length(memory),
					GFP_KERNEL_ACCOUNT);
	kvfree(pages);
	return err;
}

static struct sg_table *dmabuf_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction direction)
{
	struct sg_table *table;
	int err;

	table = kzalloc(sizeof(*table), GFP_KERNEL_ACCOUNT);
	if (!table)
		return ERR_PTR(-ENOMEM);
	err = dmabuf_attach_table(attachment->dmabuf->priv, table);
	if (err)
		goto err_free;
	err = dma_map_sgtable(attachment->dev, table, direction, 0);
	if (err)
		goto err_table;
	return table;

err_table:
	sg_free_table(table);
err_free:
	kfree(table);
	return ERR_PTR(err);
}

static void dmabuf_unmap(struct dma_buf_attachment *attachment,
			 struct sg_table *table,
			 enum dma_data_direction direction)
{
	dma_unmap_sgtable(attachment->dev, table, direction, 0);
	sg_free_table(table);
	kfree(table);
}

static vm_fault_t dmabuf_vm_fault(struct vm_fault *vmf)
{
	struct ipcshim_memory *memory = vmf->vma->vm_private_data;
	struct page *page = ipcshim_segment_page(memory, vmf->pgoff);

	if (IS_ERR(page))
		return vmf_error(PTR_ERR(page));
	/* Locked for the core's count of who has parts of a large one mapped. */
	lock_page(page);
	get_page(page);
	vmf->page = page;
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct dmabuf_vm_ops = {
	.fault = dmabuf_vm_fault,
};

static int dmabuf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct ipcshim_memory *memory = dmabuf->priv;

	if (vma->vm_pgoff > memory->nr_pages ||
	    vma_pages(vma) > memory->nr_pages - vma->vm_pgoff)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_ops = &dmabuf_vm_ops;
	vma->vm_private_data = memory;
	return vma->vm_flags & VM_EXEC ? -EACCES : 0;
}

static int dmabuf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	void *address = ipcshim_segment_vmap(dmabuf->priv);

	if (IS_ERR(address))
		return PTR_ERR(address);
	iosys_map_set_vaddr(map, address);
	return 0;
}

static void dmabuf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void dmabuf_release(struct dma_buf *dmabuf)
{
	ipcshim_memory_unexport(dmabuf->priv);
}

static const struct dma_buf_ops dmabuf_ops = {
	.map_dma_buf = dmabuf_map,
	.unmap_dma_buf = dmabuf_unmap,
	.mmap = dmabuf_mmap,
	.vmap = dmabuf_vmap,
	.vunmap = dmabuf_vunmap,
	.release = dmabuf_release,
};

/* The caller's export is the dma-buf's, if there is one. */
static struct dma_buf *dmabuf_export(struct ipcshim_memory *memory)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct page **pages = ipcshim_memory_all(memory);

	/* Now, where an error can be told, and to the account of the caller. */
	if (IS_ERR(pages))
		return ERR_CAST(pages);
	kvfree(pages);
	info.ops = &dmabuf_ops;
	info.size = ipcshim_memory_length(memory);
	info.flags = O_RDWR | O_CLOEXEC;
	info.priv = memory;
	return dma_buf_export(&info);
}

int ipcshim_segment_export(struct ipcshim_segment *segment,
			   struct ipcshim_export_dmabuf __user *uarg)
{
	struct ipcshim_export_dmabuf arg;
	struct dma_buf *dmabuf;
	int err;

	err = ipcshim_copy_in(&arg, uarg, sizeof(arg));
	if (err)
		return err;
	if (arg.flags || arg.reserved)
		return -EINVAL;
	err = segment_export_memory(segment, IPCSHIM_RIGHT_WRITE);
	if (err)
		return err;
	dmabuf = dmabuf_export(segment->memory);
	if (IS_ERR(dmabuf)) {
		ipcshim_memory_unexport(segment->memory);
		return PTR_ERR(dmabuf);
	}
	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	if (arg.fd < 0) {
		err = arg.fd;
		goto err_dmabuf;
	}
	err = ipcshim_copy_out(uarg, &arg, sizeof(arg));
	if (err)
		goto err_fd;
	fd_install(arg.fd, dmabuf->file);
	return 0;

err_fd:
	put_unused_fd(arg.fd);
err_dmabuf:
	dma_buf_put(dmabuf);
	return err;
}
#else
int ipcshim_segment_export(struct ipcshim_segment *segment,
			   struct ipcshim_export_dmabuf __user *uarg)
{
	return -EOPNOTSUPP;
}
#endif
